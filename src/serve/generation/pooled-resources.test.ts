import { expect, test } from "vitest";
import type { Call } from "../http/endpoint.ts";
import type { ModelChoice } from "../models/served.ts";
import type { ServerContext } from "../server-context.ts";
import { Purse } from "./pooled-model.ts";
import { type PipelineRequest, PooledResources } from "./pooled-resources.ts";

/** The resources of a request for two models, and their active leases. */
function resourcesOf() {
  const held: string[] = [];
  const lease = async ({ served }: ModelChoice) => {
    held.push(served.id);
    return { model: { name: served.id }, [Symbol.dispose]: () => void held.splice(held.indexOf(served.id), 1) };
  };
  const context = { pool: { lease }, limits: {} } as unknown as ServerContext;
  const chosen = Object.fromEntries(["a", "b"].map((id) => [id, { served: { id } } as ModelChoice]));
  const call = { taken: 0 } as Call;
  const request = { chosen, call } as unknown as PipelineRequest;
  return { held, resources: new PooledResources(context, request, new Purse(undefined)) };
}

test("a model in use is leased until its work ends, also with an error", async () => {
  const { held, resources } = resourcesOf();
  expect(await resources.use("a", async ({ name }) => [name, [...held]])).toEqual(["a", ["a"]]);
  const failing = async () => {
    throw new Error("broken");
  };
  await expect(resources.use("b", failing)).rejects.toThrow("broken");
  expect(held).toEqual([]);
});

test("a second model is refused while one is in use", async () => {
  const { resources } = resourcesOf();
  const nested = resources.use("a", () => resources.use("b", async () => 1));
  await expect(nested).rejects.toThrow("the request could wait for itself");
  expect(await resources.use("b", async () => 1)).toBe(1);
});
