/** Recent durations of requests, from which follows when a refused one may try again. */
export class Pace {
  /** Milliseconds; undefined before the first has ended. */
  #mean: number | undefined;

  /** Notes that a request held its place for `spent` milliseconds. */
  note(spent: number): void {
    this.#mean = this.#mean === undefined ? spent : this.#mean + (spent - this.#mean) / 10;
  }

  /**
   * Seconds, at least one, until `waiting` requests have run on `places`. `underWay`: for how many milliseconds each
   * request with a place has had it. They count before any has ended: slow answers are slow from the first refusal on.
   */
  secondsFor(waiting: number, places: number, underWay: readonly number[] = []): number {
    const mean = Math.max(this.#mean ?? 0, sum(underWay) / Math.max(1, underWay.length));
    const left = sum(underWay.map((spent) => Math.max(0, mean - spent)));
    return Math.max(1, Math.ceil((waiting * mean + left) / places / 1000));
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
