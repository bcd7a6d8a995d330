import { HttpError } from "../http/errors.ts";

/**
 * Thrown if a server did not answer but another may: `busy`: its queue is full; `down`: it cannot be reached; `fault`:
 * its response is invalid.
 */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  constructor(
    readonly kind: "busy" | "down" | "fault",
    message: string,
    /** The server's requested delay before a retry, in seconds. */
    readonly retryAfter = 1,
  ) {
    super(message);
  }
}

/** The error for the client when no server answered. Only the log names the servers. */
export function noneAnswered(name: string, tried: readonly Unavailable[]): HttpError {
  const wait = Math.min(5, ...tried.map(({ retryAfter }) => retryAfter));
  const headers = { "retry-after": String(Math.max(1, Math.ceil(wait))) };
  if (tried.length > 0 && tried.every(({ kind }) => kind === "busy"))
    return new HttpError(429, `all servers of ${name} are full; try again later`, {
      code: "full",
      headers,
    });
  if (tried.some(({ kind }) => kind === "fault"))
    return new HttpError(502, `the servers of ${name} failed to answer; see this server's log`, {
      code: "bad_gateway",
    });
  return new HttpError(503, `no server of ${name} can be reached; try again later`, { code: "no_server", headers });
}

/** The error for an answer that broke off after its first token; it does not restart on another server. */
export const brokeOff = (name: string): HttpError =>
  new HttpError(502, `the server that answered for ${name} broke off`, { code: "broke_off" });
