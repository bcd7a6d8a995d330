import { Refused } from "../../engine/schedule/refused.ts";
import { LedgerFault } from "../../ledger/database.ts";
import { StoreFault } from "../../retrieval/store/store.ts";
import { ContextExceeded, KeptFault, UserError } from "../../util/errors.ts";
import { ModelFault } from "../../weights/model-fault.ts";

type Status = 400 | 401 | 403 | 404 | 405 | 408 | 413 | 415 | 417 | 429 | 431 | 500 | 502 | 503;

/** OpenAI's error types, from which its clients choose the class of the error that they raise. */
function typeOf(status: Status): string {
  if (status >= 500) return "server_error";
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  return status === 429 ? "rate_limit_error" : "invalid_request_error";
}

interface Details {
  /** The invalid field. */
  param?: string | undefined;
  /** A stable code for programs. */
  code?: string | undefined;
  headers?: Readonly<Record<string, string>>;
}

/** A failed request's answer: a status and one sentence. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  constructor(
    readonly status: Status,
    message: string,
    readonly details: Details = {},
  ) {
    super(message);
  }

  /** The error in OpenAI's format. */
  body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    const { param = null, code = null } = this.details;
    return { error: { message: this.message, type: typeOf(this.status), param, code } };
  }
}

/** The client's view of an error: a user's mistake unchanged, a bug without its details. */
export function failure(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof Refused) return refused(error);
  // The errors' own texts name files or addresses, which clients must not learn.
  if (error instanceof LedgerFault) return away("the ledger cannot be used");
  if (error instanceof StoreFault) return away("the index cannot be used");
  if (error instanceof KeptFault) return away("the server's own files cannot be read");
  if (error instanceof ModelFault) return away("the server's model cannot be used");
  if (error instanceof ContextExceeded) return new HttpError(400, error.message, { code: "context_length_exceeded" });
  if (error instanceof UserError) return new HttpError(400, error.message, { param: error.param });
  return new HttpError(500, "internal error; see the server's log");
}

const away = (what: string) => new HttpError(503, `${what} at the moment`, { headers: { "retry-after": "5" } });

function refused({ reason, message, retryAfter }: Refused): HttpError {
  const headers = { "retry-after": String(retryAfter) };
  return new HttpError(reason === "full" ? 429 : 503, message, { code: reason, headers });
}

export function errorResponse(error: HttpError): Response {
  return Response.json(error.body(), { status: error.status, headers: error.details.headers ?? {} });
}
