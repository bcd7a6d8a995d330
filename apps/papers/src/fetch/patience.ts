import { setTimeout } from "node:timers/promises";

/** Milliseconds between requests to a host; arXiv asks for three seconds (info.arxiv.org/help/api/tou.html). */
const APART = 3000;
/** The first wait before another attempt, in milliseconds; each further wait is twice as long. */
const FIRST = 2000;

/** The clock that spaces requests. */
export interface Clock {
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => setTimeout(ms, undefined, signal && { signal }),
};

/** Spaces requests to one host. */
export class Turns {
  readonly #next = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  async wait(host: string, signal?: AbortSignal): Promise<void> {
    const [now, next] = [this.clock.now(), this.#next.get(host) ?? 0];
    this.#next.set(host, Math.max(now, next) + APART);
    if (next > now) await this.clock.sleep(next - now, signal);
  }
}

/** Milliseconds before the next attempt after `failures` failures; a wait that the server asks for takes precedence. */
export const backOff = (failures: number, retryAfter: number | undefined): number =>
  retryAfter ?? FIRST * 2 ** (failures - 1);

/** The wait in milliseconds that `Retry-After` asks for, in seconds or as a date (RFC 9110, section 10.2.3). */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
