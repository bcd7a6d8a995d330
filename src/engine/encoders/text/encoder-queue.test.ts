import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { load, type Model } from "../../../index.ts";
import { environment } from "../../../runtime/ort/environment.ts";
import { Refused } from "../../schedule/refused.ts";
import type { EncoderQueue } from "./encoder-queue.ts";
import { RowRunner } from "./encoder-runner.ts";

const folder = fileURLToPath(new URL("../../fixtures/sentences", import.meta.url));
let model: Model;
let queue: EncoderQueue;
beforeAll(async () => {
  model = await load(folder);
  queue = model.encoder.queue;
  return () => model.dispose();
});
afterEach(() => {
  vi.restoreAllMocks();
  queue.limit = Number.POSITIVE_INFINITY;
});

/** Records the lengths of the texts in each batch that starts from now on; a batch runs after `may` resolves. */
function batches(may?: Promise<void>): number[][] {
  const begun: number[][] = [];
  const { run } = RowRunner.prototype;
  vi.spyOn(RowRunner.prototype, "run").mockImplementation(async function (this: RowRunner, ...batch) {
    begun.push(batch[0].map(({ ids }) => ids.length));
    await may;
    return run.apply(this, batch);
  });
  return begun;
}

/** The number of batches that run side by side. */
const lanes = environment().threads;

const texts = ["good soup", "cold bread and more of it", "x", "good soup and cold bread", "bread"];

test("calls of one moment run in common batches: vectors and tokens as alone, and the bills are what ran", async () => {
  const alone: Awaited<ReturnType<Model["embed"]>>[] = [];
  for (const text of texts) alone.push(await model.embed([text]));
  const begun = batches();
  const together = await Promise.all(texts.map((text) => model.embed([text])));
  expect(begun.length).toBeLessThan(texts.length);
  expect(begun.flat()).toHaveLength(texts.length);
  for (const [i, { embeddings, receipt }] of together.entries()) {
    const gaps = embeddings[0]!.map((v, at) => Math.abs(v - alone[i]!.embeddings[0]![at]!));
    expect(Math.max(...gaps)).toBeLessThan(1e-5);
    expect(receipt.tokens).toEqual(alone[i]!.receipt.tokens);
    // A batch adds only the cost of padding to the longest text.
    expect(receipt.flops.spent).toBeGreaterThanOrEqual(alone[i]!.receipt.flops.spent);
    expect(receipt.bytes.spent).toBeLessThan(1.01 * alone[i]!.receipt.bytes.spent);
  }
});

test("keys take turns: a short call is not behind all of a long one", async () => {
  const begun = batches();
  const long = Array.from({ length: 1200 }, (_, i) => texts.join(" ").repeat(1 + (i % 4)));
  await Promise.all([model.embed(long, { key: "a" }), model.embed(["x"], { key: "b" })]);
  expect(begun.length).toBeGreaterThan(10);
  const shortest = Math.min(...begun.flat());
  const short = begun.findIndex((lengths) => lengths.includes(shortest));
  // The short call waits for the lanes already running at its arrival, and for one turn of the long call.
  expect(short).toBeLessThanOrEqual(lanes + 1);
});

describe("a call is refused", () => {
  test("when too many wait, of the key that has most of them", async () => {
    const gate = new EventEmitter();
    const begun = batches(once(gate, "open").then(() => {}));
    const running = Array.from({ length: lanes }, async (_, i) => {
      await expect.poll(() => begun.length).toBeGreaterThanOrEqual(i);
      return model.embed(["bread"], { key: "c" });
    });
    await expect.poll(() => begun.length).toBe(lanes);
    queue.limit = 2;
    const [first, second] = [model.embed(["x"], { key: "a" }), model.embed(["good"], { key: "a" })];
    await expect(model.embed(["soup"], { key: "a" })).rejects.toMatchObject({ name: "Refused", reason: "full" });
    const other = model.embed(["bread"], { key: "b" });
    await expect(second).rejects.toBeInstanceOf(Refused);
    gate.emit("open");
    const answered = await Promise.all([first, other, ...running]);
    expect(answered.map(({ embeddings }) => embeddings.length)).toEqual(answered.map(() => 1));
    expect(queue.waiting).toBe(0);
  });

  test("once it closes; what waits is done, or ended when the time is up", async () => {
    const own = await load(folder);
    const { queue: closing } = own.encoder;
    // A call to the model first loads code; calls to the encoder enter the queue at once.
    const done = own.encoder.embed(["x"]);
    const closed = closing.close(300_000);
    await expect(own.embed(["y"])).rejects.toMatchObject({ reason: "closing" });
    await closed;
    expect((await done).answers).toHaveLength(1);
    own.dispose();
    const other = await load(folder);
    const late = other.encoder.embed(["x"]);
    await Promise.all([other.encoder.queue.close(0), expect(late).rejects.toMatchObject({ reason: "closing" })]);
    other.dispose();
  });
});

test("disposed of while calls are under way: they end, and then the memory goes", async () => {
  const own = await load(folder);
  const runs = Array.from({ length: 50 }, (_, i) => own.embed([texts.join(" ").repeat(1 + (i % 9))]));
  own.dispose();
  const ends = await Promise.allSettled(runs);
  for (const end of ends) if (end.status === "rejected") expect(end.reason.message).toMatch(/after it was disposed/);
  expect(ends.some(({ status }) => status === "rejected")).toBe(true);
});
