import { HTTPException } from "hono/http-exception";

/** The exception that refuses a request, with a message for the reader. */
export const refusal = (status: 400 | 403 | 404 | 413, message: string): HTTPException =>
  new HTTPException(status, { message });

/** @throws HTTPException 429 if there are seconds to wait */
export function limited(seconds: number): void {
  if (seconds === 0) return;
  const message = `that was too much at once; try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}`;
  throw new HTTPException(429, { message, res: new Response(null, { headers: { "retry-after": String(seconds) } }) });
}
