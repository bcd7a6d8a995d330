import { z } from "zod";
import { jsonIn } from "../../weights/json.ts";
import type { RemoteOptions } from "./file.ts";
import type { Reply } from "./transport.ts";

const models = z.object({ data: z.array(z.looseObject({ id: z.string(), owned_by: z.string().optional() })) });

/** Asks a server whether it answers; returns the reason if it does not. */
export async function probe(
  options: RemoteOptions,
  get: (path: string) => Promise<Reply>,
): Promise<string | undefined> {
  if (options.kind === "modicum") return offered(options.model, await get("/v1/models"));
  const { path = "/health" } = options.health;
  const { status, body } = await get(path);
  await body.dump();
  // OpenAI's own and similar servers have no health endpoint, so their list of models is read instead.
  const unknown = status === 404 && options.health.path === undefined;
  if (!unknown) return fault(path, status);
  const listed = await get("/v1/models");
  await listed.body.dump();
  return fault("/v1/models", listed.status);
}

const fault = (path: string, status: number): string | undefined =>
  status === 200 ? undefined : `GET ${path} returned the status ${status}`;

/** Checks that a Modicum server answers and has the model, so that a mistake shows before the first request. */
async function offered(model: string, { status, body }: Reply): Promise<string | undefined> {
  const text = await body.text();
  if (status !== 200) return fault("/v1/models", status);
  const listed = models.safeParse(jsonIn(text)).data?.data ?? [];
  if (!listed.some(({ owned_by }) => owned_by === "modicum"))
    return "it is not a Modicum server; register it in a fleet file";
  return listed.some(({ id }) => id === model) ? undefined : `it has no model called ${model}`;
}
