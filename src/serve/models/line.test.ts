import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { Refused } from "../../engine/schedule/refused.ts";
import { schedulerOptions } from "../../engine/schedule/scheduler.ts";
import { TINY } from "../serve.testing.ts";
import { Catalogue } from "./catalogue.ts";
import type { Asker } from "./line.ts";
import { type Lease, Pool } from "./pool.ts";

let catalogue: Catalogue;
let pool: Pool;
beforeAll(async () => {
  catalogue = await Catalogue.open(TINY);
});
const bytesOf = (...ids: string[]) =>
  ids.reduce((sum, id) => sum + catalogue.list().find((model) => model.id === id)!.source.bytes, 0);
/** Opens a pool in which two of the three models fit together. */
const open = (queue: number) =>
  new Pool(bytesOf("sentences", "labels", "ranker") - 1, { scheduling: schedulerOptions.parse({ queue }) });
beforeEach(() => {
  pool = open(4);
});
afterEach(() => pool[Symbol.dispose]());

/** The models that were leased, in order. */
let value: string[];
let busy: Map<string, Lease>;
beforeEach(() => {
  [value, busy] = [[], new Map()];
});
/** Leases a model for a request, and keeps the lease under the request's name. */
async function ask(request: string, model: string, asker?: Asker): Promise<void> {
  const lease = await pool.lease(await catalogue.choose({ model }), asker);
  value.push(request);
  busy.set(request, lease);
}
const end = (request: string) => busy.get(request)![Symbol.dispose]();
const waiting = () => pool.waiting().map(({ id }) => id);
const held = () => pool.list().map(({ id, users }) => `${id}:${users}`);
const inLine = (count: number) => expect.poll(() => waiting().length).toBe(count);
async function twoAtWork() {
  await ask("a", "sentences");
  await ask("b", "labels");
}

test("a request without room gets its model once another is idle and leaves", async () => {
  await twoAtWork();
  const c = ask("c", "ranker");
  await inLine(1);
  expect(held()).toEqual(["sentences:1", "labels:1"]);
  end("b");
  await c;
  expect([held(), waiting()]).toEqual([["sentences:1", "ranker:1"], []]);
});

test("a steady stream of requests for the leaving model delays nobody; after the other model it continues", async () => {
  await twoAtWork();
  const c = ask("c", "ranker");
  await inLine(1);
  const again = ask("a again", "sentences");
  await inLine(2);
  await ask("b again", "labels");
  end("a");
  await c;
  expect(value).toEqual(["a", "b", "b again", "c"]);
  end("c");
  await again;
  expect([held(), waiting()]).toEqual([["labels:2", "sentences:1"], []]);
});

test("requests that wait for one model get it together, before later ones in between", async () => {
  await twoAtWork();
  const c = ask("c", "ranker");
  await inLine(1);
  const again = ask("a again", "sentences");
  await inLine(2);
  const third = ask("c again", "ranker");
  await inLine(3);
  end("a");
  await Promise.all([c, third]);
  expect(value).toEqual(["a", "b", "c", "c again"]);
  end("b");
  await again;
  expect(held()).toEqual(["ranker:2", "sentences:1"]);
});

test("keys take turns", async () => {
  await twoAtWork();
  const all = [];
  for (const [request, key, model] of [
    ["c", "greedy", "ranker"],
    ["d", "greedy", "tiny"],
    ["e", "modest", "sentences"],
  ] as const) {
    all.push(ask(request, model, { key }));
    await inLine(all.length);
  }
  end("a");
  await all[0];
  end("b");
  await all[2];
  expect(value).toEqual(["a", "b", "c", "e"]);
  for (const request of ["c", "e"]) end(request);
  await all[1];
});

test("a request that leaves, or whose time is over, stops waiting; the ones behind it may proceed", async () => {
  await twoAtWork();
  const leaving = new AbortController();
  const asker = { signal: leaving.signal };
  const c = ask("c", "ranker", asker);
  await inLine(1);
  const d = ask("d", "sentences");
  await inLine(2);
  leaving.abort(new Error("left"));
  await expect(c).rejects.toThrow("left");
  await d;
  await expect(ask("e", "ranker", asker)).rejects.toThrow("left");
  await expect(ask("f", "ranker", { deadline: performance.now() + 1 })).rejects.toMatchObject({ reason: "deadline" });
  expect([held(), waiting()]).toEqual([["sentences:2", "labels:1"], []]);
});

test("beyond the queue's limit requests are refused, first those of the key with the most", async () => {
  pool[Symbol.dispose]();
  pool = open(2);
  await twoAtWork();
  const [c, d] = ["c", "d"].map((request) => ask(request, "ranker", { key: "greedy" }));
  await inLine(2);
  await expect(ask("e", "ranker", { key: "greedy" })).rejects.toMatchObject({ reason: "full" });
  const f = ask("f", "ranker", { key: "modest" });
  await expect(d).rejects.toMatchObject({ reason: "full" });
  end("a");
  await Promise.all([c, f]);
});

test("a refused request gets a longer retry time the longer others have waited", async () => {
  pool[Symbol.dispose]();
  pool = open(1);
  await twoAtWork();
  const c = ask("c", "ranker");
  await inLine(1);
  const now = performance.now();
  using _ = vi.spyOn(performance, "now").mockReturnValue(now + 30_000);
  const refused: Refused = await ask("d", "ranker").then(
    () => expect.unreachable(),
    (error) => error,
  );
  expect(refused.retryAfter).toBeGreaterThanOrEqual(30);
  end("a");
  await c;
});

test("one that cannot be loaded lets the next proceed", async () => {
  await twoAtWork();
  const { served, ...rest } = await catalogue.choose({ model: "ranker" });
  const broken = { ...served, source: { ...served.source, path: "/absent" } };
  const c = pool.lease({ ...rest, served: broken });
  await inLine(1);
  const d = ask("d", "sentences");
  await inLine(2);
  end("a");
  await expect(c).rejects.toThrow();
  await d;
});

test("when the pool closes, no further request may wait; waiting ones may run until its limit, and are then refused", async () => {
  await twoAtWork();
  const c = ask("c", "ranker");
  await inLine(1);
  void pool.close(60_000);
  await expect(ask("d", "ranker")).rejects.toMatchObject({ reason: "closing" });
  end("a");
  await c;
  const e = pool.lease(await catalogue.choose({ model: "sentences" }));
  await expect(e).rejects.toMatchObject({ reason: "closing" });
});

test("requests still waiting at a pool's limit are refused", async () => {
  await twoAtWork();
  const c = ask("c", "ranker");
  await inLine(1);
  void pool.close(0);
  await expect(c).rejects.toMatchObject({ reason: "closing" });
});
