/** Models with attention and recurrent layers, from fixtures with random weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { layersOf } from "../../../models/decoder/decoder.ts";
import { Stack } from "../../../models/programs/stack.testing.ts";
import { openDecoder } from "../../../models/registry.ts";
import { sequenceBytes } from "../../../models/state/state-groups.ts";
import { densePlan, type Plan, type StateFill } from "../../../savings/plan.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";
import { Recipes } from "./recipes.ts";
import { tokenLogits } from "./stepped.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-hybrid-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = seededRandom(5);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(72 * random()));

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const openModel = (name: string) => openDecoder(openCheckpoint(fixture(name)), path.join(folder, name), "f32");

async function open(name = "granitemoehybrid"): Promise<Engine> {
  const { decoder, weights } = await openModel(name);
  return Engine.create(decoder, weights);
}

/** Logits after a prompt, and the number of its tokens that ran. */
async function logitsOf(engine: Engine, prompt: readonly number[], plan: Plan = densePlan) {
  const slot = engine.acquire(prompt, plan);
  const ran = prompt.length - slot.tokens.length;
  const logits = (await engine.prefill(slot, prompt, new Meter(engine.programs), plan)).slice();
  engine.release(slot);
  return { logits, ran };
}

const close = (got: ArrayLike<number>, expected: ArrayLike<number>) => {
  for (let i = 0; i < expected.length; i++) expect(got[i]).toBeCloseTo(expected[i]!, 4);
};

const text = ids(2 * PREFILL_CHUNK + 40);

/** A plan that runs every layer's attention through the open seam, densely. */
const seamed: Plan = {
  ...densePlan,
  attention: () => ({
    chunk: PREFILL_CHUNK,
    chunkAfter: () => PREFILL_CHUNK,
    attend: (call) => call.dense(),
  }),
};

describe.each([
  ...["granitemoehybrid", "lfm2", "qwen3_next", "qwen3_5", "qwen3_5_moe", "nemotron_h", "nemotron_h-experts"],
  ...["falcon_h1", "falcon_h1-norm"],
])("%s", (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await open(name);
  });
  beforeEach(() => engine.forget());
  afterAll(() => engine[Symbol.dispose]());

  test("a prompt of several chunks has the logits of one run over all of it", async () => {
    const { decoder, weights } = await openModel(name);
    using stack = await Stack.compile(decoder, weights, "whole");
    const whole = await stack.run(text);
    close((await logitsOf(engine, text)).logits, whole.subarray(-decoder.config.vocabulary));
  });

  test("a prefix is reused as far as the states are kept, though keys can be cut anywhere", async () => {
    const turns = [
      // These prompts diverge from it in the second chunk, which has no stored state.
      { prompt: [...text.slice(0, PREFILL_CHUNK + 9), ...ids(4)], runs: 13 },
      { prompt: [...text, ...ids(3)], runs: 3 },
      { prompt: [...text.slice(0, PREFILL_CHUNK - 1), ...ids(4)], runs: PREFILL_CHUNK + 3 },
    ];
    for (const { prompt, runs } of turns) {
      engine.forget();
      const fresh = await logitsOf(engine, prompt);
      engine.forget();
      await logitsOf(engine, text);
      const again = await logitsOf(engine, prompt);
      expect([fresh.ran, again.ran]).toEqual([prompt.length, runs]);
      close(again.logits, fresh.logits);
    }
  });

  test("rows of other lengths step beside each other as alone", async () => {
    const prompts = [ids(23), ids(7), ids(PREFILL_CHUNK + 5)];
    const steps = [5, 40, 11];
    const alone: Float32Array[] = [];
    for (const prompt of prompts) {
      const slot = engine.acquireEmpty(prompt, densePlan);
      await engine.prefill(slot, prompt, new Meter(engine.programs), densePlan);
      for (const token of steps) alone.push((await engine.step(slot, token, new Meter(engine.programs))).slice());
      engine.release(slot);
    }
    const slots: Slot[] = [];
    for (const prompt of prompts) {
      slots.push(engine.acquireEmpty(prompt, densePlan));
      await engine.prefill(slots.at(-1)!, prompt, new Meter(engine.programs), densePlan);
    }
    for (const [i, token] of steps.entries()) {
      const rows = slots.map((slot) => ({ slot, token, meter: new Meter(engine.programs), plan: densePlan }));
      const together = (await engine.stepAll(rows)).map((row) => tokenLogits(row).slice());
      for (const [row, logits] of together.entries()) close(logits, alone[row * steps.length + i]!);
    }
    for (const slot of slots) engine.release(slot);
  });

  test("a sequence's bytes grow by the keys of the layers that attend alone", async () => {
    const { config } = engine.programs.decoder;
    const keys = 2 * 4 * layersOf(config, "attention").length * config.kvHeads * config.headSize;
    expect(sequenceBytes(config, 11) - sequenceBytes(config, 10)).toBe(keys);
  });

  test("with the attention of some layers open, recurrent layers run between them as they do in whole segments", async () => {
    const [dense, opened] = [new Meter(engine.programs), new Meter(engine.programs)];
    const run = async (plan: Plan, meter: Meter) => {
      engine.forget();
      const slot = engine.acquireEmpty(text, plan);
      const logits = (await engine.prefill(slot, text, meter, plan)).slice();
      const states = slot.cache.state(0).slice();
      const next = (await engine.step(slot, 7, new Meter(engine.programs))).slice();
      engine.release(slot);
      return { logits, states, next };
    };
    const [expected, got] = [await run(densePlan, dense), await run(seamed, opened)];
    close(got.logits, expected.logits);
    close(got.states, expected.states);
    close(got.next, expected.next);
    expect(opened.total().flops.dense).toBe(dense.total().flops.dense);
  });
});

test("a saving of attention acts in the layers that attend, and bills them alone", async () => {
  using engine = await open("lfm2");
  const { decoder } = engine.programs;
  const prompt = ids(600);
  const run = async (recipe?: string) => {
    engine.forget();
    using recipes = new Recipes({ decoder, hash: async () => "" }, (plan) => engine.prepare(plan));
    using lease = await recipes.use(parseRecipe(recipe === undefined ? [] : [recipe]));
    const plan = lease.plan(prompt.length);
    const meter = new Meter(engine.programs);
    const slot = engine.acquireEmpty(prompt, plan);
    const logits = (await engine.prefill(slot, prompt, meter, plan)).slice();
    engine.release(slot);
    return { logits, flops: meter.total().flops };
  };
  const shape = "tri-shape:blockSize=16,minLengthForSparse=32,lastDenseTokens=0";
  const dense = await run();
  const whole = await run(`${shape},sinkTokens=16,windowTokens=580`);
  const narrow = await run(`${shape},sinkTokens=16,windowTokens=64`);
  close(whole.logits, dense.logits);
  expect(narrow.flops.dense).toBe(dense.flops.dense);
  expect(narrow.flops.spent).toBeLessThan(dense.flops.spent);
  expect(Math.max(...narrow.logits.map((v, i) => Math.abs(v - dense.logits[i]!)))).toBeGreaterThan(1e-3);
});

/** One skipped layer of each kind: `entries` is the first with attention, `state` a deeper recurrent one. */
const kinds = [
  { name: "granitemoehybrid", exit: 2, entries: 2, state: 3, copyAfter: 3 },
  { name: "falcon_h1", exit: 1, entries: 1, state: 2, copyAfter: 2 },
];

describe.each(kinds)("$name: tokens that leave early", ({ name, exit, entries, state: deeper, copyAfter }) => {
  const prompt = ids(6);
  const next = ids(5);
  const EARLY = new Set([0, 1]);
  const leaving = (fill: StateFill, after: number): Plan => ({
    ...densePlan,
    state: { prompt: "", answer: undefined },
    cuts: [
      {
        ...{ after, scope: "step", fill },
        decide: ({ tokens }) => (EARLY.has(tokens - prompt.length) ? { kind: "exit", fill } : { kind: "continue" }),
      },
    ],
  });

  /** Logits after each further token, and the layers' state at the end. */
  async function run(engine: Engine, plan: Plan, rows = 1) {
    await engine.prepare(plan);
    const slots: Slot[] = [];
    for (let i = 0; i < rows; i++) {
      slots.push(engine.acquireEmpty(prompt, plan));
      await engine.prefill(slots[i]!, prompt, new Meter(engine.programs), plan);
    }
    const logits: Float32Array[] = [];
    const { heads, headSize } = { heads: engine.programs.decoder.config.kvHeads, headSize: 16 };
    const steps = (token: number) =>
      slots.map((slot, i) => ({ slot, token, meter: new Meter(engine.programs), plan: i === 0 ? plan : densePlan }));
    for (const token of next) logits.push(tokenLogits((await engine.stepAll(steps(token)))[0]!).slice());
    const { cache } = slots[0]!;
    const { key, offset } = cache.place(entries, 0, prompt.length);
    const keys = new Float32Array(key.memory, 4 * offset, heads * headSize * next.length).slice();
    const state = cache.state(deeper).slice();
    const last = engine.programs.decoder.config.layers - 1;
    const lengths = [0, 2, last].map((layer) => slots[0]!.group(layer).length);
    for (const slot of slots) engine.release(slot);
    return { logits, keys, state, lengths };
  }

  test("recompute gives every later token what dense does, in layers of both kinds", async () => {
    using engine = await open(name);
    const [dense, late] = [await run(engine, densePlan), await run(engine, leaving("recompute", 1))];
    for (const i of [2, 3, 4]) close(late.logits[i]!, dense.logits[i]!);
    close(late.state, dense.state);
    close(late.keys, dense.keys);
  });

  test("copy-hidden/ssm-partial: the next layers' own of the stream at the exit, in each kind", async () => {
    using engine = await open(name);
    // Keys of the layer after the exit come from the same stream as dense's.
    const [dense, partial] = [
      await run(engine, densePlan),
      await run(engine, leaving("copy-hidden/ssm-partial", exit)),
    ];
    const width = 16;
    close(partial.keys.subarray(0, 2 * width), dense.keys.subarray(0, 2 * width));
    expect(partial.lengths).toEqual(new Array(3).fill(prompt.length + next.length));
    expect(Math.max(...partial.state.map((v, i) => Math.abs(v - dense.state[i]!)))).toBeGreaterThan(1e-4);
  });

  test("copy-kv/ssm-partial: the last keys are copied, and states updated", async () => {
    using engine = await open(name);
    const plan = leaving("copy-kv/ssm-partial", copyAfter);
    const copied = await run(engine, plan);
    expect(copied.lengths).toEqual(new Array(3).fill(prompt.length + next.length));
    // States come from the stream at the exit, however keys are filled.
    close(copied.state, (await run(engine, leaving("copy-hidden/ssm-partial", copyAfter))).state);
  });

  test.each(["recompute", "copy-hidden/ssm-partial"] as const)(
    "%s: a row leaves beside others as alone",
    async (fill) => {
      using engine = await open(name);
      const plan = leaving(fill, 1);
      const [alone, together] = [await run(engine, plan), await run(engine, plan, 3)];
      for (const [i, logits] of alone.logits.entries()) close(together.logits[i]!, logits);
    },
  );
});

/** Parts of tensor names: swapping two rows of such a tensor, or the ends of a vector, must change the results. */
test.each([
  ...["mamba.in_proj", "mamba.A_log", "mamba.norm", "self_attn.k_proj", "shared_mlp.input_linear"].map((part) => [
    "granitemoehybrid",
    part,
  ]),
  ...["conv.in_proj", "conv.conv", "q_layernorm", "embedding_norm"].map((part) => ["lfm2", part]),
  ...["feed_forward.gate", "expert_bias", "experts.1.w2"].map((part) => ["lfm2_moe", part]),
  ...["in_proj_qkvz", "in_proj_ba", "linear_attn.norm", "self_attn.q_proj"].map((part) => ["qwen3_next", part]),
  ...["in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "linear_attn.norm"].map((part) => ["qwen3_5", part]),
  ...["mlp.gate.weight", "experts.1.up_proj", "shared_expert_gate"].map((part) => ["qwen3_5_moe", part]),
  ...["mixer.gate.weight", "e_score_correction_bias", "experts.1.up_proj", "shared_experts.down_proj"].map((part) => [
    "nemotron_h-experts",
    part,
  ]),
  ...["mixer.in_proj", "mixer.k_proj", "mixer.up_proj", "layers.2.norm"].map((part) => ["nemotron_h", part]),
  ...["mamba.in_proj", "mamba.conv1d.w", "mamba.dt_bias", "mamba.D", "self_attn.v_proj", "self_attn.o_proj"].map(
    (part) => ["falcon_h1", part],
  ),
  ...["pre_ff_layernorm", "input_layernorm", "feed_forward.gate_proj", "final_layernorm", "lm_head"].map((part) => [
    "falcon_h1",
    part,
  ]),
  ...["mamba.norm", "mamba.out_proj", "mamba.A_log"].map((part) => ["falcon_h1-norm", part]),
] as [string, string][])("%s: %s of one layer, shuffled, changes the logits", async (model, part) => {
  const checkpoint = openCheckpoint(fixture(model));
  const name = [...checkpoint.tensors.keys()].find((tensor) => tensor.includes(part))!;
  const floats: typeof checkpoint.floats = (tensor, ...rest) => {
    const values = checkpoint.floats(tensor, ...rest);
    return tensor.name === name ? values.toReversed() : values;
  };
  const shuffled = { ...checkpoint, floats, variant: part };
  const run = async (of: typeof checkpoint, to: string) => {
    const { decoder, weights } = await openDecoder(of, path.join(folder, to), "f32");
    using stack = await Stack.compile(decoder, weights, "whole");
    return await stack.run(text.slice(0, 20));
  };
  const [right, wrong] = [await run(checkpoint, model), await run(shuffled, `${model}-${part}`)];
  expect(Math.max(...right.map((v, i) => Math.abs(v - wrong[i]!)))).toBeGreaterThan(1e-3);
});
