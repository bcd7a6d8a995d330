import { z } from "zod";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";

const ok = z.object({ status: z.literal("ok") });

/** `GET /health`: the process answers. */
export const health = (): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/health"],
    summary: "Tells that the process answers",
    output: ok,
    handle: async () => ({ status: "ok" }),
  });

/** `GET /ready`: the first model has answered once, and the server is not stopping. */
export const ready = ({ state }: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/ready"],
    summary: "Tells whether requests are answered at once: the first model is warm, and the server is not stopping",
    output: ok,
    async handle() {
      if (state.now === "ready") return { status: "ok" };
      throw new HttpError(503, `the server is ${state.now}`, { code: state.now, headers: { "retry-after": "1" } });
    },
  });

/** `GET /metrics`, in Prometheus' form. */
export const metrics = ({ metrics: { registry } }: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/metrics"],
    summary: "Measures, in Prometheus' form",
    scope: "admin",
    handle: async () => new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } }),
  });
