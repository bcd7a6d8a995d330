import { HttpError } from "./errors.ts";

/** Restores the field's original name in the error of a request that was translated for another endpoint. */
export function renamed(error: unknown, fieldOf: (param: string) => string): unknown {
  if (!(error instanceof HttpError) || error.details.param === undefined) return error;
  const { param } = error.details;
  const own = fieldOf(param);
  const message = error.message.startsWith(param) ? own + error.message.slice(param.length) : error.message;
  return new HttpError(error.status, message, { ...error.details, param: own });
}
