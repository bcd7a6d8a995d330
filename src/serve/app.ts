import { Hono } from "hono";
import { relayed } from "./fleet/relay.ts";
import type { House } from "./house.ts";
import { noAddress } from "./http/broken.ts";
import { accepted, type Endpoint, isAsking, notFound } from "./http/endpoint.ts";
import { errorResponse, failure, HttpError } from "./http/errors.ts";
import { readJson } from "./http/json.ts";
import { type Events, eventStream } from "./http/stream.ts";
import type { Access } from "./keys/access.ts";
import { MOST_DEPTH } from "./limits.ts";
import type { UnderWay } from "./under-way.ts";

type Params = Readonly<Record<string, string>>;

/** The server as a function from requests to responses. */
export function createApp(house: House, access: Access, endpoints: readonly Endpoint[], underWay: UnderWay): Hono {
  const app = new Hono();
  const explain = (error: unknown) => explained(house, error);
  async function answer(it: Endpoint, request: Request, params: Params): Promise<Response> {
    const caller = await access.check(request, it.scope);
    const rates = caller.key && isAsking(it) ? house.rates.enter(caller.key) : {};
    const body = it.input && (await inputOf(it, request, house.limits.maxBody));
    const input = it.input && accepted(it.input, body);
    if (house.logPrompts && isAsking(it))
      house.log.info({ path: it.paths[0], key: caller.key?.id, request: body }, "a request");
    const { signal, end: leave } = underWay.begin(request.signal);
    const trace = house.tracer.begin({ it, body, headers: request.headers });
    let fault: HttpError | undefined;
    const told = (error: unknown) => {
      fault = explain(error);
      return fault;
    };
    const end = () => {
      leave();
      trace.end(signal.aborted ? failure(signal.reason) : fault);
    };
    try {
      const call = { signal, params, trace, ...caller };
      const given = await (relayed(house, it, body, call) ?? it.handle(input, call));
      if (isStream(given)) return withHeaders(await eventStream(given, { explain: told, end }), rates);
      end();
      return given instanceof Response ? given : Response.json(given, { headers: rates });
    } catch (error) {
      const response = errorResponse(told(error));
      end();
      return response;
    }
  }
  app.use((c, next) => {
    // Node takes the first of several; what stands before this server may take another.
    if (c.req.header("host")?.includes(",")) throw noAddress();
    return next();
  });
  for (const it of endpoints)
    for (const path of it.paths)
      app.on(it.method, path.replace(/\{(\w+)\}/g, ":$1"), (c) => answer(it, c.req.raw, c.req.param()));
  app.notFound((c) => unknown(c.req.method, c.req.path, endpoints));
  app.onError((error) => errorResponse(explain(error)));
  return app;
}

function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

const isStream = (given: object): given is Events => Symbol.asyncIterator in given;

async function inputOf({ method }: Endpoint, request: Request, most: number): Promise<unknown> {
  if (method === "post") return readJson(request, { body: most, depth: MOST_DEPTH });
  return Object.fromEntries(new URL(request.url).searchParams);
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

/** An error as clients are told of it; what is the program's fault is logged whole. */
function explained({ catalogue, metrics, log }: House, error: unknown): HttpError {
  const { status, message, details } = failure(error);
  metrics.failed(status);
  if (status === 500) log.error({ err: error }, "a request failed");
  return new HttpError(status, catalogue.withoutPaths(message), details);
}
