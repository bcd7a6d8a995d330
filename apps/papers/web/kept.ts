/** Caches results that can be recomputed; the oldest are evicted. */
export class Kept<T> {
  readonly #all = new Map<string, Promise<T>>();

  constructor(private readonly most: number) {}

  /** The result for a key, computed once; a failure is not cached. */
  of(key: string, make: () => Promise<T>): Promise<T> {
    const cached = this.#all.get(key);
    if (cached) return cached;
    const value = make();
    value.catch(() => this.#all.delete(key));
    this.#all.set(key, value);
    for (const oldest of this.#all.keys()) if (this.#all.size > this.most) this.#all.delete(oldest);
    return value;
  }
}
