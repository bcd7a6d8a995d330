/** Tokens that exit at several cuts and wait there for later ones, on a float32 model of four layers. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evalCost } from "../../../graph/index.ts";
import { densePlan, type Plan, type StateFill } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { LanguageModel } from "../language-model.ts";
import { begin, countingProbe, GO_ON, leave, run, STOP, stepping, stepRows, worst } from "./exits.testing.ts";
import { HeldBack } from "./held-back.ts";
import { StackBuffers } from "./stack-buffers.ts";

const path = fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url));

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(path), "f32");
});
afterAll(() => model[Symbol.dispose]());

const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => 10 + (((from + i) * 37) % 400));
const prompt = ids(30);
const next = ids(24, 500);
const LAYERS = 4;

/** A plan that makes each token exit after its given number of layers; 4 means all layers. */
function depths(fill: StateFill, wanted: readonly number[], ...further: Plan["cuts"]): Plan {
  const cuts = [1, 2, 3].map((after) => ({
    ...{ after, scope: "step" as const },
    decide: ({ tokens }: { tokens: number }) => (wanted[tokens - prompt.length] === after ? leave(fill) : GO_ON),
  }));
  return stepping([...cuts, ...further]);
}

const random = seededRandom(11);
const mixed = next.map(() => 1 + Math.floor(random() * LAYERS));

test("recompute: whatever the order of the exits, a token that runs through all layers has dense's logits", async () => {
  const dense = await run(model, prompt, next, densePlan);
  const { logits, spent } = await run(model, prompt, next, depths("recompute", mixed));
  for (const [i, depth] of mixed.entries()) {
    const gap = worst(logits[i + 1]!, dense.logits[i + 1]!);
    if (depth === LAYERS) expect(gap).toBeLessThan(1e-5);
    else expect(gap).toBeGreaterThan(1e-4);
  }
  expect(mixed.filter((depth) => depth === LAYERS).length).toBeGreaterThan(3);
  expect(spent.work["exits"]).toEqual({ dense: 0, run: mixed.filter((depth) => depth < LAYERS).length });
  // Tokens still waiting at the end have run only as many layers as necessary.
  const { dense: whole, run: ran } = spent.work["layers"]!;
  expect(whole).toBe(LAYERS * (next.length + 1));
  expect(ran).toBeGreaterThan(LAYERS + mixed.reduce((sum, depth) => sum + depth, 0));
  expect(ran).toBeLessThanOrEqual(whole);
});

test("recompute costs what dense does in the end", async () => {
  const dense = await run(model, prompt, next, densePlan);
  const { spent } = await run(model, prompt, next, depths("recompute", [...mixed.slice(0, -1), LAYERS]));
  expect(spent.work["layers"]!.run).toBe(spent.work["layers"]!.dense);
  expect(spent.flops.dense).toBe(dense.spent.flops.dense);
  // The part after the last attention does not run for tokens already decided.
  const tail = evalCost(model.engine.programs.tail!.cost, { batch: 1, tokens: 1 }).flops;
  const spared = tail * spent.work["exits"]!.run;
  expect(spent.flops.spent / (dense.spent.flops.spent - spared)).toBeCloseTo(1, 6);
});

test.each<StateFill>(["copy-kv", "copy-hidden", "mask"])("%s: layers count as far as each token ran", async (fill) => {
  const dense = await run(model, prompt, next, densePlan);
  const { logits, spent } = await run(model, prompt, next, depths(fill, mixed));
  expect(spent.work["layers"]!.run).toBe(LAYERS + mixed.reduce((sum, depth) => sum + depth, 0));
  const first = mixed.findIndex((depth) => depth < LAYERS);
  for (const [i, row] of logits.entries()) {
    const gap = worst(row, dense.logits[i]!);
    if (i <= first) expect(gap).toBeLessThan(1e-5);
    else expect(gap).toBeGreaterThan(1e-4);
  }
});

test("an answer that stops while tokens wait, deeper than they do", async () => {
  const stop = { after: 3, scope: "step" as const, decide: () => STOP };
  const cut = { after: 1, scope: "step" as const };
  const plan = stepping([{ ...cut, decide: ({ tokens }) => (tokens < 32 ? leave("recompute") : GO_ON) }, stop]);
  const row = await begin(model, prompt, plan);
  await stepRows(model, [row], next[0]!);
  await stepRows(model, [row], next[1]!);
  const [stepped] = await model.engine.stepAll([{ ...row, token: next[2]! }]);
  expect(stepped).toEqual({ kind: "stop" });
  expect(row.meter.total().work["stops"]).toEqual({ dense: 0, run: 1 });
  model.engine.release(row.slot);
});

test("rows under many plans step as each does alone, with the same bills", async () => {
  const counting = { after: 2, scope: "step" as const, probe: countingProbe("n"), decide: () => GO_ON };
  const plans = [
    densePlan,
    depths("recompute", mixed),
    depths("recompute", mixed.toReversed()),
    depths("copy-kv", mixed),
    stepping([counting]),
    stepping([counting]),
  ];
  const alone = [];
  for (const [i, plan] of plans.entries()) alone.push(await run(model, ids(30, 50 * i), next, plan));
  model.engine.forget();
  const rows = [];
  for (const [i, plan] of plans.entries()) rows.push(await begin(model, ids(30, 50 * i), plan));
  for (const token of next) await stepRows(model, rows, token);
  for (const [i, { slot, meter, logits }] of rows.entries()) {
    for (const [s, row] of logits.entries()) expect(worst(row, alone[i]!.logits[s]!)).toBeLessThan(1e-4);
    expect(meter.total()).toEqual(alone[i]!.spent);
    model.engine.release(slot);
  }
});

describe("tokens held back", () => {
  test("are taken by their depth, the last ones first", () => {
    const { programs } = model.engine;
    using buffers = new StackBuffers(programs, 8);
    using held = new HeldBack(8, model.decoder.config.hidden);
    const { branch, residual } = buffers.streamBuffers(0);
    for (const { memory, elements } of [branch, residual])
      new Float32Array(memory).set(Float32Array.from({ length: elements }, (_, i) => i));
    held.add({ branch, residual }, 0, [40, 41], 3);
    held.add({ branch, residual }, 2, [42], 1);
    expect([held.count, held.depth]).toEqual([3, 1]);
    expect(() => held.add({ branch, residual }, 3, [43], 2)).toThrow("cannot wait behind a shallower one");
    expect(held.take(1, buffers.streamBuffers(1))).toEqual([42]);
    const { hidden } = model.decoder.config;
    expect(new Float32Array(buffers.streamBuffers(1).branch.memory)[0]).toBe(2 * hidden);
    expect(held.take(1, buffers.streamBuffers(1))).toEqual([]);
    expect(held.take(3, buffers.streamBuffers(1))).toEqual([40, 41]);
    expect(new Float32Array(buffers.streamBuffers(1).residual.memory)[hidden]).toBe(hidden);
  });
});
