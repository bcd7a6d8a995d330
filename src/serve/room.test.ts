import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hold } from "./hold.testing.ts";
import { limitOptions } from "./limits.ts";
import { Catalogue } from "./models/catalogue.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

const models = TINY.slice(0, 2);
/** Memory for the larger of the two models alone. */
const memory = Math.max(...(await Catalogue.open(models)).list().map(({ source }) => source.bytes));
let server: Testing;
let goOn: () => void;
beforeEach(() => {
  goOn = () => {};
});
afterEach(() => goOn());

/** Keeps `tiny` busy until `goOn`, while another model's request waits for its memory. */
async function oneWaits(limits = {}, signal?: AbortSignal) {
  server = await serveModels(models, { memory, limits: limitOptions.parse(limits) });
  goOn = hold();
  const first = post(server, "/v1/completions", { model: "tiny", prompt: "abc", max_tokens: 3, temperature: 0 });
  await expect.poll(() => measured("running", "tiny")).toBe(1);
  const second = embed(signal);
  return { first, second };
}
const embed = (signal?: AbortSignal) =>
  fetch(`${server.url}/v1/embeddings`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, signal: signal ?? null },
    body: JSON.stringify({ model: "sentences", input: "abc" }),
  });
const measured = async (what: string, model: string) => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`num_requests_${what}\\{model_name="${model}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
};
const oneInLine = () => expect.poll(() => measured("waiting", "sentences")).toBe(1);
const inMemory = async (model: string) => (await jsonOf(fetch(`${server.url}/v1/models/${model}`))).loaded.length;

test("a request for a model without room waits for the busy one, visibly; then it is answered", async () => {
  const { first, second } = await oneWaits();
  await oneInLine();
  expect([await inMemory("tiny"), await inMemory("sentences")]).toEqual([1, 0]);
  goOn();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  expect([await inMemory("tiny"), await inMemory("sentences")]).toEqual([0, 1]);
  expect(await measured("waiting", "sentences")).toBe(0);
  await server.stop(0);
});

test("it waits no longer than its deadline", async () => {
  const now = performance.now();
  const clock = vi.spyOn(performance, "now").mockReturnValue(now);
  const { second } = await oneWaits({ maxTime: 1 });
  await oneInLine();
  clock.mockRestore();
  const late = await second;
  expect([late.status, (await jsonOf(late)).error.code]).toEqual([503, "deadline"]);
  expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(0);
  goOn();
  await server.stop(0);
});

test("it waits no longer than its client", async () => {
  const leaving = new AbortController();
  const { first, second } = await oneWaits({}, leaving.signal);
  await oneInLine();
  leaving.abort();
  await expect(second).rejects.toThrow();
  await expect.poll(() => measured("waiting", "sentences")).toBe(0);
  goOn();
  expect((await first).status).toBe(200);
  await server.stop(0);
});

test("when the server stops, a waiting request is answered if it can start in time, and otherwise refused", async () => {
  const { first, second } = await oneWaits();
  await oneInLine();
  const stopped = server.stop(60_000);
  goOn();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  await stopped;

  const again = await oneWaits();
  await oneInLine();
  const over = server.stop(0);
  const refused = await again.second;
  expect([refused.status, (await jsonOf(refused)).error.code]).toEqual([503, "closing"]);
  goOn();
  await over;
  await again.first;
});
