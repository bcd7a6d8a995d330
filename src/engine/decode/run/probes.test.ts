/** Probes, heads and stops at the cuts of generated tokens, on a float32 model of four layers. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { evalCost } from "../../../graph/index.ts";
import { type CutInputs, densePlan, planOf } from "../../../savings/plan.ts";
import type { AttentionCall } from "../../../savings/seams.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { LanguageModel } from "../language-model.ts";
import {
  begin,
  countingProbe,
  doubledHead,
  headProbe,
  leave,
  linearProbe,
  mixerProbe,
  nanProbe,
  run,
  STOP,
  stepping,
  stepRows,
  summingProbe,
  watching,
  worst,
} from "./exits.testing.ts";
import { Probes } from "./probes.ts";

const path = fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url));

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(path), "f32");
});
afterAll(() => model[Symbol.dispose]());

const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => 10 + (((from + i) * 37) % 400));
const prompt = ids(40);
const next = ids(6, 200);

test("rows that ask the same are one run; each finds what it finds alone, and is billed for it", async () => {
  const prompts = [prompt, ids(25, 7), ids(33, 90)];
  const alone: CutInputs[][] = [];
  for (const each of prompts) {
    const seen: CutInputs[] = [];
    await run(model, each, next, stepping([watching(2, linearProbe("w"), seen)]));
    alone.push(seen);
  }
  model.engine.forget();
  const together = prompts.map((): CutInputs[] => []);
  const rows = [];
  for (const [i, each] of prompts.entries())
    rows.push(await begin(model, each, stepping([watching(2, linearProbe("w"), together[i]!)])));
  const read = vi.spyOn(Probes.prototype, "read");
  for (const token of next) await stepRows(model, rows, token);
  expect(read.mock.calls.map(([, { slots }]) => slots.length)).toEqual(next.map(() => 3));
  read.mockRestore();
  for (const [i, seen] of together.entries())
    for (const [s, { probed, tokens }] of seen.entries()) {
      expect(tokens).toBe(prompts[i]!.length + s);
      expect(probed[0]).toBeCloseTo(alone[i]![s]!.probed[0]!, 4);
    }
  expect(new Set(together.flat().map(({ probed }) => probed[0])).size).toBeGreaterThan(10);
  const { program } = await model.engine.programs.probe(linearProbe("w"));
  const { flops } = evalCost(program.cost, { batch: 1, tokens: 1 });
  for (const { slot, meter } of rows) {
    expect(meter.total().flops.overhead).toBeCloseTo(flops * next.length, 3);
    expect(meter.total().flops.spent).toBeCloseTo(meter.total().flops.dense + flops * next.length, 0);
    model.engine.release(slot);
  }
});

test("a probe that finds a NaN never lets a token leave, nor an answer stop", async () => {
  const dense = await run(model, prompt, next, densePlan);
  for (const decision of [leave("mask"), STOP]) {
    const { logits, spent } = await run(model, prompt, next, stepping([watching(1, nanProbe, [], () => decision)]));
    for (const [i, row] of logits.entries()) expect(worst(row, dense.logits[i]!)).toBeLessThan(1e-5);
    expect(spent.work["exits"]).toBeUndefined();
  }
});

describe("the token of a row that leaves", () => {
  const leaving = { after: 2, scope: "step" as const, decide: () => leave("none") };

  test("is the model's head's, the probe's or the exit's own", async () => {
    const plain = await run(model, prompt, next, stepping([leaving]));
    const probed = await run(model, prompt, next, stepping([{ ...leaving, probe: headProbe }]));
    const own = await run(model, prompt, next, stepping([{ ...leaving, probe: headProbe, head: doubledHead }]));
    for (const [i, row] of plain.logits.entries()) {
      expect(worst(row, probed.logits[i]!)).toBeLessThan(1e-5);
      const doubled = i === 0 ? row : row.map((v) => 2 * v);
      expect(worst(doubled, own.logits[i]!)).toBeLessThan(1e-4);
    }
    expect(plain.spent.work).toEqual({
      layers: { dense: 4 * (next.length + 1), run: 4 + 2 * next.length },
      exits: { dense: 0, run: next.length },
    });
  });

  test("costs the embedding, the layers that ran and the head", async () => {
    const { programs } = model.engine;
    const plan = stepping([leaving]);
    const prefill = (await run(model, prompt, [], plan)).spent.flops.spent;
    const costs = [programs.embedding.cost, programs.costOf(0, 2, [2]), programs.head.cost];
    const steps = next.flatMap((_, i) =>
      costs.map((cost) =>
        evalCost(cost, { batch: 1, tokens: 1, past: prompt.length + i, windowPast: prompt.length + i }),
      ),
    );
    const { spent } = await run(model, prompt, next, plan);
    expect(spent.flops.spent - prefill).toBeCloseTo(
      steps.reduce((sum, { flops }) => sum + flops, 0),
      0,
    );
  });

  test("a probe's head is overhead at every look; of an exit's own head only what it costs beyond the model's", async () => {
    const { programs } = model.engine;
    const priced = (cost: typeof programs.headCost) => evalCost(cost, { batch: 1, tokens: 1 }).flops;
    const head = priced(programs.head.cost);
    const plain = await run(model, prompt, next, stepping([leaving]));
    const probed = await run(model, prompt, next, stepping([{ ...leaving, probe: headProbe }]));
    const own = await run(model, prompt, next, stepping([{ ...leaving, head: doubledHead }]));
    const probe = priced((await programs.probe(headProbe)).program.cost) * next.length;
    expect(probed.spent.flops.overhead).toBeCloseTo(probe, 0);
    expect(probed.spent.flops.spent).toBeCloseTo(plain.spent.flops.spent - head * next.length + probe, 0);
    const more = priced((await programs.exitHead(doubledHead)).cost) - head;
    expect(more).toBeGreaterThan(0);
    expect(own.spent.flops.overhead).toBeCloseTo(more * next.length, 0);
    expect(own.spent.flops.spent).toBeCloseTo(plain.spent.flops.spent + more * next.length, 0);
  });
});

test("a step that stops has no logits, and costs the layers that ran", async () => {
  const plan = stepping([watching(3, linearProbe("w"), [], () => STOP)]);
  const row = await begin(model, prompt, plan);
  const before = row.meter.total().flops.dense;
  const [stepped] = await model.engine.stepAll([{ ...row, token: next[0]! }]);
  expect(stepped).toEqual({ kind: "stop" });
  const { flops, work } = row.meter.total();
  expect(work).toEqual({ layers: { dense: 8, run: 7 }, stops: { dense: 0, run: 1 } });
  expect(flops.dense).toBeGreaterThan(before);
  model.engine.release(row.slot);
  const start = await begin(model, prompt, plan);
  const [onward] = await model.engine.stepAll([{ ...start, token: next[0]!, forced: true }]);
  expect(onward!.kind).toBe("token");
  model.engine.release(start.slot);
});

describe("a probe with a state", () => {
  const found = async (tokens: readonly number[], rest: readonly number[], attention = densePlan.attention) => {
    const seen: CutInputs[] = [];
    const cuts = [watching(1, summingProbe("s1"), []), watching(3, summingProbe("s"), seen)];
    await run(model, tokens, rest, planOf([{ attention, cuts }]));
    return seen.map(({ probed }) => probed[0]!);
  };

  test("finds the same token by token as in one pass, and remembers", async () => {
    const all = [...prompt, ...next];
    const stepped = await found(prompt.slice(0, 5), [...prompt.slice(5), ...next]);
    for (const [i, value] of (await found(prompt, next)).entries())
      expect(value).toBeCloseTo(stepped[prompt.length - 5 + i]!, 3);
    const other = (await found([...ids(30, 3), ...all.slice(30, -1)], all.slice(-1)))[0]!;
    expect(Math.abs(other - stepped.at(-1)!)).toBeGreaterThan(0.01);
  });

  test("reads prompts whose attention a saving does, in chunks of its own", async () => {
    const plain = await found(prompt, next);
    const attend = (call: AttentionCall) => call.dense();
    const saving = { chunk: 16, chunkAfter: () => 16, attend };
    const seamed = await found(prompt, next, (layer) => (layer === 1 ? saving : undefined));
    for (const [i, value] of seamed.entries()) expect(value).toBeCloseTo(plain[i]!, 3);
  });

  test("begins anew with each prompt, which is neither taken from a cache nor offered to one", async () => {
    const seen: CutInputs[] = [];
    const plan = stepping([watching(2, countingProbe("c"), seen)]);
    expect(plan.state.prompt).toBeUndefined();
    for (const cached of [densePlan, plan]) {
      model.engine.release((await begin(model, prompt, cached)).slot);
      const row = await begin(model, prompt, plan);
      await stepRows(model, [row], next[0]!);
      model.engine.release(row.slot);
    }
    expect(seen.map(({ probed }) => probed[0])).toEqual([prompt.length + 1, prompt.length + 1]);
  });

  test("may be a Mamba-2 mixer", async () => {
    const seen: CutInputs[] = [];
    const plan = stepping([watching(2, mixerProbe, seen)]);
    await run(model, prompt.slice(0, 4), [...prompt.slice(4), ...next], plan);
    const stepped = seen.splice(0).map(({ probed }) => probed[0]!);
    await run(model, prompt, next, plan);
    for (const [i, { probed }] of seen.entries()) expect(probed[0]).toBeCloseTo(stepped[prompt.length - 4 + i]!, 4);
    expect(new Set(stepped).size).toBe(stepped.length);
  });

  test("does not read tokens that left before it", async () => {
    const [early, late]: CutInputs[][] = [[], []];
    const odd = ({ tokens }: CutInputs) => (tokens % 2 === 1 ? leave("recompute") : { kind: "continue" as const });
    const cuts = [watching(1, countingProbe("a"), early!, odd), watching(3, countingProbe("b"), late!)];
    await run(model, prompt, next, stepping(cuts));
    expect(early!.map(({ probed }) => probed[0]! - prompt.length)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(late!.map(({ probed }) => probed[0]! - prompt.length)).toEqual([1, 2, 3]);
  });
});
