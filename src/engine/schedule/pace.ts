/** Measures how fast requests have finished lately. */
export class Pace {
  /** Milliseconds that a request has a row, before any has been seen a guess. */
  #mean = 1000;

  /** One had a row for so many milliseconds. */
  note(spent: number): void {
    this.#mean += (spent - this.#mean) / 10;
  }

  /** Seconds, at least one, in which so many requests will have had their turn on so many rows. */
  secondsFor(requests: number, rows: number): number {
    return Math.max(1, Math.ceil(((requests / rows) * this.#mean) / 1000));
  }
}
