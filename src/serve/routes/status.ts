import { z } from "zod";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { ServerContext } from "../server-context.ts";

const ok = z.object({ status: z.literal("ok") });

/** `GET /health`: the process answers. */
export const health = (): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/health"],
    anyHost: true,
    summary: "Check that the process is alive",
    output: ok,
    handle: async () => ({ status: "ok" }),
  });

/** `GET /ready`: 200 once the first model is warm or a remote server answers, until the server stops. */
export const ready = ({ state, catalogue, fleet }: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/ready"],
    anyHost: true,
    summary: "Returns 200 once the first model is warm, until the server is stopping",
    output: ok,
    async handle() {
      const servers = fleet.list().flatMap((remote) => remote.servers);
      const alone = catalogue.list().length === 0 && !servers.some(({ up }) => up);
      if (state.now !== "ready") throw notReady(`the server is ${state.now}`, state.now);
      if (alone) throw notReady("no server behind this one can be reached", "no_server");
      return { status: "ok" };
    },
  });

const notReady = (message: string, code: string) =>
  new HttpError(503, message, { code, headers: { "retry-after": "1" } });

/** `GET /metrics`, in Prometheus' format. */
export const metrics = ({ metrics: { registry } }: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/metrics"],
    summary: "Metrics in Prometheus' format",
    scope: "admin",
    handle: async () => new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } }),
  });
