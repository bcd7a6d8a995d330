import { UserError } from "../../util/errors.ts";
import { codeOf } from "../../util/system-errors.ts";

/** An error after which another attempt may succeed. */
export class TransientError extends Error {
  constructor(
    reason: string,
    readonly waitMs = 0,
    /** The response's status, if a response arrived. */
    readonly status?: number,
  ) {
    super(reason);
  }
}

/** The minimum number of bytes that keep a connection alive; with fewer within the time limit, it counts as dropped. */
export const leastBytes = 1024;

/** Aborts `signal` if fewer than `leastBytes` bytes arrive in any `ms` milliseconds. */
export class Stall {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private came = 0;
  readonly signal: AbortSignal = this.controller.signal;

  constructor(private readonly ms: number) {
    this.timer = setTimeout(() => this.controller.abort(), ms);
  }

  get reason(): string {
    return `${this.came === 0 ? "nothing came" : `only ${this.came} bytes came`} for ${this.ms / 1000} s`;
  }

  touch(bytes: number): void {
    this.came += bytes;
    if (this.came < leastBytes) return;
    this.came = 0;
    this.timer.refresh();
  }

  /** Stops the timer, and drops a response that was not read to the end. */
  end(): void {
    clearTimeout(this.timer);
    this.controller.abort();
  }
}

/** The error for a response that is not the file; a `TransientError` if a later request may succeed. */
export function refusal(response: Response, file: string, url: string): Error {
  const { status } = response;
  if (status < 300 || status === 416)
    return new TransientError("the server sent a different range than requested", 0, status);
  const named = `HTTP ${status}${response.statusText && ` ${response.statusText}`}`;
  if (status === 408 || status === 429 || status >= 500) return new TransientError(named, retryAfter(response), status);
  return new UserError(`${hostOf(url)} refused ${file}: ${named}`);
}

/** The wait that `Retry-After` asks for, in ms; at most a minute, because users prefer an error to a longer wait. */
function retryAfter(response: Response): number {
  const text = response.headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 60_000) : 0;
}

const rangePattern = /^bytes (\d+)-\d+\/(\d+|\*)$/;

/** The offset of a 206 response's first byte, or NaN. */
export const startOf = (response: Response): number =>
  Number(rangePattern.exec(response.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);

/** The size of the entire file in bytes, or 0 if the response does not state it. */
export function totalOf(response: Response): number {
  const whole = rangePattern.exec(response.headers.get("content-range") ?? "")?.[2];
  return Number(whole ?? response.headers.get("content-length")) || 0;
}

/** Converts temporary errors of `fetch`; throws all others. */
export function asDropped(error: unknown, url: string): TransientError {
  if (error instanceof TransientError) return error;
  // `fetch` wraps network failures and truncated bodies in a TypeError.
  if (!(error instanceof TypeError)) throw error;
  const code = codeOf(error.cause) ?? (error.cause instanceof Error ? error.cause.message : error.message);
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    throw new UserError(
      `Node does not trust the certificate of ${hostOf(url)} (${code}); if your network has its own certificate, set NODE_EXTRA_CA_CERTS to it`,
    );
  }
  return new TransientError(networkWords[code] ?? code);
}

const networkWords: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host, or no network",
  EAI_AGAIN: "no network (the name could not be looked up)",
  ENETUNREACH: "no network",
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  ETIMEDOUT: "the connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "the connection timed out",
  UND_ERR_SOCKET: "the connection was closed",
  terminated: "the connection was closed",
};

/** The host and port of a URL; messages never show the rest, because it may contain a key. */
export const hostOf = (url: string): string => new URL(url).host;
