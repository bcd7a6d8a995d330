import { Hono } from "hono";
import type { Logger } from "pino";
import type { Answering } from "./answering.ts";
import { noAddress } from "./http/broken.ts";
import { type Endpoint, notFound } from "./http/endpoint.ts";
import { HttpError } from "./http/errors.ts";
import { RequestLine } from "./request-line.ts";

/** The server as a function from requests to responses. */
export function createApp(answering: Answering, endpoints: readonly Endpoint[], log: Logger): Hono {
  const app = new Hono();
  app.use((c, next) => {
    // Node uses the first of several Host headers, but a proxy in front of it may use a different one.
    if (c.req.header("host")?.includes(",")) throw noAddress();
    return next();
  });
  for (const it of endpoints)
    for (const path of it.paths)
      app.on(it.method, path.replace(/\{(\w+)\}/g, ":$1"), (c) => answering.answer(it, c.req.raw, c.req.param()));
  app.notFound((c) => unknown(c.req.method, c.req.path, endpoints));
  app.onError((error, c) => answering.refuse(error, new RequestLine(log, c.req.raw)));
  return app;
}

/** @throws HttpError 405 or 404 */
function unknown(method: string, path: string, endpoints: readonly Endpoint[]): never {
  const there = endpoints.filter(({ paths }) => paths.includes(path));
  if (there.length === 0)
    notFound(
      path,
      endpoints.flatMap(({ paths }) => paths),
    );
  const methods = there.map((it) => it.method.toUpperCase());
  const message = `${path} takes ${methods.join(" or ")}, got ${method}`;
  throw new HttpError(405, message, { headers: { allow: methods.join(", ") } });
}
