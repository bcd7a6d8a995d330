/** Limits each client's requests: `burst` at once, then `perMinute`. */
export class RateLimit {
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(
    private readonly perMinute: number,
    private readonly burst: number,
    private readonly now: () => number = Date.now,
  ) {}

  /** Counts a request; returns the seconds to wait if it exceeds the limit, else 0. */
  wait(client: string): number {
    const now = this.now();
    const bucket = this.#buckets.get(client) ?? { left: this.burst, at: now };
    const tokens = Math.min(this.burst, bucket.left + ((now - bucket.at) / 60_000) * this.perMinute);
    this.#buckets.delete(client);
    this.#buckets.set(client, { left: tokens < 1 ? tokens : tokens - 1, at: now });
    this.#forget();
    return tokens < 1 ? Math.ceil(((1 - tokens) / this.perMinute) * 60) : 0;
  }

  /** Forgets the least recently seen clients. */
  #forget(): void {
    for (const client of this.#buckets.keys()) {
      if (this.#buckets.size <= MOST_CLIENTS) return;
      this.#buckets.delete(client);
    }
  }
}

const MOST_CLIENTS = 10_000;
