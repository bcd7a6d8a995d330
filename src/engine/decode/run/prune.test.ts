/** Prompts pruned after a layer, on a tiny float32 model. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KvGroup } from "../../../models/state/kv-group.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { type Cut, type Plan, planOf } from "../../../savings/plan.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import type { AttentionSaving } from "../../../savings/seams.ts";
import { traceQuery } from "../../../savings/tokens/last-query.ts";
import { keptOf } from "../../../savings/tokens/prune.ts";
import { seededRandom } from "../../../util/random.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { LanguageModel } from "../language-model.ts";
import { Likelihoods } from "../score/likelihood.ts";
import { MaskedAttention } from "./masked.testing.ts";

const path = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(path), "f32");
});
afterAll(() => model[Symbol.dispose]());

const random = seededRandom(5);
const ids = (n: number) => Array.from({ length: n }, () => 3 + Math.floor(random() * 60));
const prompt = ids(150);
const next = ids(10);
const step = (options: string) => `prune:after=1,sinks=2,last=4,minLength=2,${options}`;

async function run(tokens: readonly number[], save: readonly string[], plan = planFrom(save)) {
  const { engine } = model;
  const result = await plan(tokens.length);
  engine.forget();
  const slot = engine.acquireEmpty(tokens, result);
  const meter = new Meter(engine.programs);
  try {
    const logits = [(await engine.prefill(slot, tokens, meter, result)).slice()];
    for (const token of next) logits.push((await engine.step(slot, token, meter, result)).slice());
    const { bytes } = slot;
    return {
      logits,
      spent: meter.total(),
      bytes,
      groups: slot.groups.map(({ layers, length }) => ({ ...layers, length })),
    };
  } finally {
    engine.release(slot);
  }
}

const planFrom = (save: readonly string[]) => async (tokens: number) =>
  (await model.recipes.use(parseRecipe(save))).plan(tokens);

/** A plan that records what its cut received. */
function watched(plan: Plan, seen: Float32Array[]): Plan {
  const [cut] = plan.cuts;
  const decide: Cut["decide"] = (inputs) => {
    seen.push(inputs.probed);
    return cut!.decide(inputs);
  };
  return { ...plan, cuts: [{ ...cut!, decide }] };
}

const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((row, r) => Math.max(...row.map((v, i) => Math.abs(v - b[r]![i]!)))));
};

test("a cut that decides to continue keeps every token", async () => {
  const going = (plan: Plan): Plan => ({
    ...plan,
    cuts: [{ ...plan.cuts[0]!, decide: () => ({ kind: "continue" }) } as Cut],
  });
  const save = [step("keep=0.4")];
  const [went, dense] = [await run(prompt, save, async (n) => going(await planFrom(save)(n))), await run(prompt, [])];
  expect(worst(went.logits, dense.logits)).toBeLessThan(1e-5);
  expect(went.spent.work["tokens"]).toEqual({ dense: prompt.length, run: prompt.length });
});

test.each(["uniform", "recent", "random", "attention"])("by=%s: gathered is what masked gives", async (by) => {
  const save = [step(`keep=0.4,by=${by}`)];
  const pruned = await run(prompt, save);
  const { layers } = model.decoder.config;
  expect(pruned.groups).toEqual([
    { from: 0, to: 1, length: 160 },
    { from: 1, to: layers, length: 70 },
  ]);
  // The cache of the deeper layers shows which tokens were kept.
  const plan = await planFrom(save)(prompt.length);
  const slot = model.engine.acquireEmpty(prompt, plan);
  await model.engine.prefill(slot, prompt, new Meter(model.engine.programs), plan);
  const group = slot.group(1) as KvGroup;
  const retained = new Set(Array.from({ length: group.length }, (_, entry) => group.position(entry)));
  model.engine.release(slot);
  expect(retained.size).toBe(60);
  using masked = await MaskedAttention.create(
    model.decoder,
    ({ query, key }) => key <= query && (retained.has(key) || key === query),
  );
  const reference = await run(prompt, [], async () => planOf([{ attention: (l) => (l >= 1 ? masked : undefined) }]));
  expect(worst(pruned.logits.slice(0, 1), reference.logits.slice(0, 1))).toBeLessThan(1e-4);
});

test("by=attention: the last query's attention in the last layer that ran, averaged over heads", async () => {
  const { engine, decoder } = model;
  const { heads, kvHeads, headSize } = decoder.config;
  const seen: Float32Array[] = [];
  let expected: Float64Array | undefined;
  const plan = await planFrom([step("keep=0.4,by=attention")])(prompt.length);
  const spied = watched(plan, seen);
  using query = await Program.compile(traceQuery(decoder, 0, true));
  const watching: AttentionSaving = {
    chunk: 256,
    chunkAfter: () => 256,
    async attend(call) {
      await call.dense();
      if (call.layer !== 0) return;
      using q = new Buffer("f32", heads * headSize);
      const width = (heads + 2 * kvHeads) * headSize;
      const at = call.tokens - 1;
      const views = { qkv: call.qkv.view([1, 1, width], at * width), position: call.positions.view([1, 1], at) };
      await query.bind({ ...views, q: q.view([heads, headSize]) }).run();
      expected = new Float64Array(call.tokens);
      for (let head = 0; head < heads; head++) {
        const kv = Math.floor((head * kvHeads) / heads);
        const own = new Float32Array(q.memory, 4 * head * headSize, headSize);
        const scores = Array.from(expected, (_, i) => {
          const { key, offset } = call.cache.place(0, kv, i);
          return (
            decoder.attention(0).scale *
            new Float32Array(key.memory, 4 * offset, headSize).reduce((s, k, d) => s + k * own[d]!, 0)
          );
        });
        const top = Math.max(...scores);
        const sum = scores.reduce((s, z) => s + Math.exp(z - top), 0);
        for (const [i, z] of scores.entries()) expected[i]! += Math.exp(z - top) / sum / heads;
      }
    },
  };
  engine.forget();
  const both = { ...spied, attention: () => watching };
  for (const way of [spied, both]) {
    const slot = engine.acquireEmpty(prompt, way);
    await engine.prefill(slot, prompt, new Meter(engine.programs), way);
    engine.release(slot);
    if (way === spied) continue;
    for (const [i, p] of seen.at(-1)!.entries()) expect(Math.abs(p - expected![i]!)).toBeLessThan(1e-5);
    expect(seen.at(-1)!.reduce((a, b) => a + b)).toBeCloseTo(1, 4);
  }
});

test("without rotary the scores do not depend on where the keys stand", async () => {
  // The prompt repeats one token, so before positions are applied, all keys of a layer are equal.
  const same = Array.from({ length: 100 }, () => 7);
  const seen: Float32Array[] = [];
  const plan = await planFrom([step("keep=0.4,by=attention,rotary=false")])(same.length);
  const way = watched(plan, seen);
  const slot = model.engine.acquireEmpty(same, way);
  await model.engine.prefill(slot, same, new Meter(model.engine.programs), way);
  model.engine.release(slot);
  for (const p of seen.at(-1)!) expect(p).toBeCloseTo(1 / same.length, 5);
});

describe("a prompt of several chunks", () => {
  const long = Array.from({ length: 240 }, (_, i) => prompt[(i * 7) % prompt.length]!);

  test("keep=1, and a prompt that is too short, are dense, bit for bit", async () => {
    const dense = await run(long, []);
    for (const save of [step("keep=1"), "prune:after=1,keep=0.3,minLength=241"]) {
      const same = await run(long, [save]);
      expect(worst(same.logits, dense.logits)).toBe(0);
      expect(same.spent).toEqual(dense.spent);
    }
  });

  test("all tokens kept through the cut: as dense", async () => {
    const dense = await run(long, []);
    const all = await run(long, ["prune:after=1,keep=0.3,minLength=2,last=240"]);
    expect(worst(all.logits, dense.logits)).toBeLessThan(1e-5);
    expect(all.spent.flops.dense).toBe(dense.spent.flops.dense);
    expect(all.spent.flops.spent - all.spent.flops.overhead).toBe(dense.spent.flops.spent);
  });

  test("spends less, holds less, and says so", async () => {
    const dense = await run(long, []);
    const { spent, bytes } = await run(long, [step("keep=0.25,by=uniform")]);
    expect(spent.flops.dense).toBe(dense.spent.flops.dense);
    expect(spent.flops.spent).toBeLessThan(0.8 * dense.spent.flops.spent);
    expect(spent.work).toEqual({ tokens: { dense: 240, run: 60 } });
    expect(bytes).toBeLessThan(0.75 * dense.bytes);
  });

  test("one after another at two cuts", async () => {
    const { layers } = model.decoder.config;
    if (layers < 3) return;
    const { groups } = await run(long, [step("keep=0.5,by=uniform"), "prune:after=2,keep=0.5,minLength=2"]);
    expect(groups.map(({ length }) => length)).toEqual([250, 130, 70]);
  });

  test("with exits in one recipe", async () => {
    const { logits, spent } = await run(long, [
      step("keep=0.25,by=uniform"),
      `exit:layer=${model.decoder.config.layers}`,
    ]);
    expect(logits.length).toBe(next.length + 1);
    expect(spent.work["tokens"]).toEqual({ dense: 240, run: 60 });
  });
});

test("a pruned prompt is never offered, and leaves a row that others use as before", async () => {
  const { engine } = model;
  await run(prompt, [step("keep=0.3")]);
  expect(engine.slots.reusable([...prompt, 5], "")).toBe(0);
  const dense = await run(prompt, []);
  const again = await run(prompt, []);
  expect(worst(dense.logits, again.logits)).toBe(0);
});

test("contexts of one slot under plans that differ by length equal separate slots'", async () => {
  const { engine, recipes } = model;
  using lease = await recipes.use(parseRecipe(["prune:after=1,sinks=2,last=4,keep=0.4,by=attention,minLength=100"]));
  using likelihoods = await Likelihoods.create(engine, lease.plan);
  const contexts = [prompt.slice(0, 60), prompt, [...prompt.slice(0, 120), 9, 8, 7], prompt.slice(0, 80)];
  const of = async (slot: ReturnType<typeof engine.acquire>, context: readonly number[]) => {
    const steps = likelihoods.ofContext(slot, { context, continuations: [next] }, new Meter(engine.programs));
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return value[0]!.map(({ nats }) => nats);
    }
  };
  const alone: number[][] = [];
  for (const context of contexts) {
    engine.forget();
    const slot = likelihoods.acquire(context);
    alone.push(await of(slot, context));
    engine.release(slot);
  }
  engine.forget();
  const slot = likelihoods.acquire(contexts[0]!);
  for (const [i, context] of contexts.entries())
    for (const [t, nats] of (await of(slot, context)).entries()) expect(nats).toBeCloseTo(alone[i]![t]!, 4);
  engine.release(slot);
});

test("a pruned prompt does not begin with what a dense one left, which stays for others", async () => {
  const { engine } = model;
  engine.forget();
  for (const save of [[], [step("keep=0.3")]]) {
    const plan = await planFrom(save)(prompt.length);
    const slot = engine.acquire(prompt, plan);
    expect(slot.tokens.length).toBe(0);
    await engine.prefill(slot, prompt, new Meter(engine.programs), plan);
    engine.release(slot);
  }
  expect(engine.slots.reusable([...prompt, 5], "")).toBe(prompt.length);
});

test("continuations of a pruned context equal its answers", async () => {
  const { engine, recipes } = model;
  using lease = await recipes.use(parseRecipe([step("keep=0.4,by=uniform")]));
  using likelihoods = await Likelihoods.create(engine, lease.plan);
  const pairs = [next, next.slice(0, 4)].map((continuation) => ({ context: prompt, continuation }));
  const [whole, part] = await likelihoods.ofPairs(pairs, new Meter(engine.programs));
  const { logits } = await run(prompt, [step("keep=0.4,by=uniform")]);
  for (const [i, token] of next.entries()) {
    const row = logits[i]!;
    const nats = row[token]! - Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
    expect(whole![i]!.nats).toBeCloseTo(nats, 4);
    if (part![i]) expect(part![i]!.nats).toBeCloseTo(nats, 4);
  }
  await expect(likelihoods.ofText(prompt, 1, new Meter(engine.programs))).rejects.toThrow(
    "leaves no likelihood for them",
  );
});

describe("which tokens are kept", () => {
  const options = (more: object) =>
    ({ after: 1, keep: 0.5, by: "uniform", sinks: 2, last: 3, rotary: true, seed: 0, minLength: 2, ...more }) as never;
  const none = new Float32Array();

  test("sinks and the last ones always; of the others by the criterion", () => {
    expect([...keptOf(options({ by: "recent" }), 12, none)]).toEqual([0, 1, 8, 9, 10, 11]);
    expect([...keptOf(options({ by: "uniform", keep: 0.6 }), 15, none)]).toEqual([0, 1, 3, 5, 8, 10, 12, 13, 14]);
    const scores = Float32Array.from({ length: 12 }, (_, i) => (i === 4 ? 9 : 1 / (i + 1)));
    expect([...keptOf(options({ by: "attention" }), 12, scores)]).toEqual([0, 1, 4, 9, 10, 11]);
  });

  test("as many as the share, never fewer than the forced ones, whatever the criterion", () => {
    for (const by of ["uniform", "recent", "random", "attention"])
      for (const tokens of [1, 4, 5, 6, 50, 333])
        for (const keep of [0.01, 0.3, 0.99]) {
          const retained = [...keptOf(options({ by, keep }), tokens, new Float32Array(tokens))];
          expect(retained.length).toBe(Math.max(Math.min(tokens, 5), Math.round(keep * tokens)));
          expect(new Set(retained).size).toBe(retained.length);
          expect(retained).toEqual(retained.toSorted((a, b) => a - b));
          expect(retained.at(-1)).toBe(tokens - 1);
        }
  });

  test("random ones by their seed", () => {
    const of = (seed: number) => [...keptOf(options({ by: "random", seed }), 100, none)];
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });
});

test.each([
  ["prune", "prune: no choice of tokens has been shown to work on this model; choose one, such as prune:after=8"],
  ["prune:keep=0.5", "prune: expected the layer after which tokens are dropped, such as prune:after=8"],
  ["prune:after=1,keep=0", "prune: keep: expected more than 0 and at most 1, got 0"],
  ["prune:after=1,keep=2", "prune: keep: expected a number between 0 and 1, got 2"],
  ["prune:after=99", "prune: after=99 leaves no deeper layer"],
])("%s is refused in one sentence", async (text, sentence) => {
  const attempt = async () => model.recipes.use(parseRecipe([text]));
  await expect(attempt()).rejects.toThrow(sentence);
});
