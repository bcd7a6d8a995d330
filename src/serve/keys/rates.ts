import { HttpError } from "../http/errors.ts";
import type { Key } from "./store.ts";

const MINUTE = 60_000;

/** A token bucket that fills evenly, up to a minute's allowance. Overdrawn, it takes longer to refill. */
class Bucket {
  #level: number;
  #at = performance.now();

  constructor(
    readonly what: "requests" | "tokens",
    readonly perMinute: number,
  ) {
    this.#level = perMinute;
  }

  get left(): number {
    const now = performance.now();
    this.#level = Math.min(this.perMinute, this.#level + ((now - this.#at) / MINUTE) * this.perMinute);
    this.#at = now;
    return this.#level;
  }

  take(amount: number): void {
    this.#level = this.left - amount;
  }

  /** Seconds until the bucket holds `amount`. */
  until(amount: number): number {
    return (Math.max(0, amount - this.left) / this.perMinute) * (MINUTE / 1000);
  }

  /** The limit, the remainder and the reset time, in headers with OpenAI's names. */
  headers(): Record<string, string> {
    return {
      [`x-ratelimit-limit-${this.what}`]: String(this.perMinute),
      [`x-ratelimit-remaining-${this.what}`]: String(Math.max(0, Math.floor(this.left))),
      [`x-ratelimit-reset-${this.what}`]: `${Math.ceil(this.until(this.perMinute) * 1000) / 1000}s`,
    };
  }
}

/** The amount that a request needs: one unit, or for rates below one per minute, a full bucket. */
const enough = ({ perMinute }: Bucket): number => Math.min(1, perMinute);

/** Limits each key's requests and tokens per minute on this server. */
export class Rates {
  readonly #buckets = new Map<string, readonly Bucket[]>();

  /** Counts a request; returns headers with the remaining allowance. @throws HttpError 429 if none remains */
  enter(key: Key): Record<string, string> {
    const buckets = this.#of(key);
    const empty = buckets.find((bucket) => bucket.left < enough(bucket));
    if (empty) throw tooMany(empty, headersOf(buckets));
    buckets.find(({ what }) => what === "requests")?.take(1);
    return headersOf(buckets);
  }

  /** Counts a key's computed tokens. */
  charge(key: Key, tokens: number): void {
    this.#of(key)
      .find(({ what }) => what === "tokens")
      ?.take(tokens);
  }

  #of({ id, terms: { requestsPerMinute, tokensPerMinute } }: Key): readonly Bucket[] {
    const known = this.#buckets.get(id);
    if (known) return known;
    const rates = [["requests", requestsPerMinute] as const, ["tokens", tokensPerMinute] as const];
    const buckets = rates.flatMap(([what, rate]) => (rate === undefined ? [] : [new Bucket(what, rate)]));
    this.#buckets.set(id, buckets);
    return buckets;
  }
}

const headersOf = (buckets: readonly Bucket[]): Record<string, string> =>
  Object.assign({}, ...buckets.map((bucket) => bucket.headers()));

function tooMany(bucket: Bucket, headers: Record<string, string>): HttpError {
  const seconds = Math.max(1, Math.ceil(bucket.until(enough(bucket))));
  const message = `rate limit of ${bucket.perMinute} ${bucket.what} per minute reached; try again in ${seconds} s`;
  return new HttpError(429, message, {
    code: "rate_limit_exceeded",
    headers: { ...headers, "retry-after": String(seconds) },
  });
}
