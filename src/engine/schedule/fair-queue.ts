/** A waiting request and its key: requests with the same key run in order, and keys take turns. */
export interface Keyed {
  readonly key: string;
}

/** Memory used by the attention cache (keys and values). */
export interface KeyValues {
  /** The bytes of running answers, and of ended ones that are kept. */
  readonly bytes: number;
  /** The fraction of all rows' token capacity that running answers use, 0 to 1. */
  readonly usage: number;
}

/** Schedules the requests of a model. */
export interface Turns {
  /** The number of waiting requests. */
  readonly waiting: number;
  /** The number of running requests. */
  readonly running: number;
  /** The stored keys and values, for models that have them. */
  readonly keyValues?: KeyValues;
  /** Frees the memory kept for ended answers. */
  letGo?(): void;
  /** Stops accepting requests; accepted ones may run for `limit` milliseconds. Resolves when all have ended. */
  close(limit: number): Promise<void>;
}

/** A queue that next serves the key with the fewest running requests; ties go to the key served longest ago. */
export class FairQueue<T extends Keyed> {
  /** Keys in the order in which they were last served or added. */
  readonly #waiting = new Map<string, T[]>();

  get size(): number {
    return [...this.#waiting.values()].reduce((sum, { length }) => sum + length, 0);
  }

  [Symbol.iterator](): Iterator<T> {
    return [...this.#waiting.values()].flat().values();
  }

  /**
   * Adds a request if at most `limit` may wait. Returns the request that does not fit: this one, or the last request of
   * the key with the most waiting requests.
   */
  add(one: T, limit: number): T | undefined {
    const own = this.#waiting.get(one.key) ?? [];
    const crowd = [...this.#waiting.values()].reduce((a, b) => (b.length > a.length ? b : a), own);
    const full = this.size >= limit;
    if (full && crowd.length <= own.length + 1) return one;
    this.#waiting.set(one.key, own);
    own.push(one);
    if (!full) return undefined;
    const last = crowd.at(-1)!;
    this.remove(last);
    return last;
  }

  /** The next request; `underWay` returns the number of a key's running requests. */
  next(underWay: (key: string) => number): T | undefined {
    const keys = [...this.#waiting.keys()];
    const fewest = Math.min(...keys.map(underWay));
    const key = keys.find((k) => underWay(k) === fewest);
    return key === undefined ? undefined : this.#waiting.get(key)![0];
  }

  /** Removes the next request; its key moves behind the others. */
  serve(one: T): void {
    const rest = this.#without(one);
    this.#waiting.delete(one.key);
    if (rest.length > 0) this.#waiting.set(one.key, rest);
  }

  /** Removes a request from the queue, if it is there. */
  remove(one: T): void {
    const rest = this.#without(one);
    if (rest.length > 0) this.#waiting.set(one.key, rest);
    else this.#waiting.delete(one.key);
  }

  #without(one: T): T[] {
    return (this.#waiting.get(one.key) ?? []).filter((other) => other !== one);
  }
}
