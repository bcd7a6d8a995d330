/** Recent durations of requests, from which the retry time of a refused request is estimated. */
export class Pace {
  /** The mean, in milliseconds; undefined before the first request has ended. */
  #mean: number | undefined;

  /** Records that a request held its place for `spent` milliseconds. */
  note(spent: number): void {
    this.#mean = this.#mean === undefined ? spent : this.#mean + (spent - this.#mean) / 10;
  }

  /**
   * The estimated seconds, at least one, until `waiting` requests have run in `places` rows. `underWay` holds the
   * milliseconds that each running request has taken so far; they count even before any request has ended, so slow
   * answers affect even the first refusal.
   */
  secondsFor(waiting: number, places: number, underWay: readonly number[] = []): number {
    const mean = Math.max(this.#mean ?? 0, sum(underWay) / Math.max(1, underWay.length));
    const remaining = sum(underWay.map((spent) => Math.max(0, mean - spent)));
    return Math.max(1, Math.ceil((waiting * mean + remaining) / places / 1000));
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
