/**
 * Models with windowed and full-attention layers, from fixtures with random weights: long prompts, reused prefixes,
 * rows of different lengths.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sharesKeys } from "../../../models/decoder/decoder.ts";
import { Stack } from "../../../models/programs/stack.testing.ts";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan, type Plan } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import type { Quant } from "../../../weights/prepared/quant.ts";
import { Meter } from "../../bill/meter.ts";
import { sameBits } from "../answer/dense-text.testing.ts";
import type { Slot } from "../state/slot.ts";
import { compareWithAlone, texts } from "./batch.testing.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-windowed-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = seededRandom(5);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(72 * random()));
const text = ids(2 * PREFILL_CHUNK + 40);

const checkpointOf = (name: string) =>
  openCheckpoint(fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url)));

async function open(name: string, quant: Quant = "f32"): Promise<Engine> {
  const { decoder, weights } = await openDecoder(checkpointOf(name), path.join(folder, `${name} ${quant}`), quant);
  return Engine.create(decoder, weights);
}

/** Tokens to check: in all these models, windows move in this range. */
const CHECKED = { from: 250, to: 330 };

/** Logits of all tokens in one run. */
async function wholeRun(checkpoint: ReturnType<typeof checkpointOf>, to: string, tokens: readonly number[]) {
  const { decoder, weights } = await openDecoder(checkpoint, path.join(folder, to), "f32");
  using stack = await Stack.compile(decoder, weights, "whole");
  return await stack.run(tokens);
}

const worst = (got: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Array.from(got).reduce((most, v, i) => Math.max(most, Number.isNaN(v) ? Infinity : Math.abs(v - expected[i]!)), 0);

/** A plan that runs every layer's attention through the open seam, densely. */
const seamed: Plan = {
  ...densePlan,
  attention: () => ({ chunk: PREFILL_CHUNK, chunkAfter: () => PREFILL_CHUNK, attend: (call) => call.dense() }),
};

const names = ["exaone4", "cohere2", "gemma4", "gemma4-experts", "gemma4-e2b", "gemma4-e4b", "llama4-chunks"];

describe.each(names)("%s", (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await open(name);
  });
  beforeEach(() => engine.forget());
  afterAll(() => engine[Symbol.dispose]());

  test("a prompt longer than windows and chunks, and one that goes on from its beginning", async () => {
    const { decoder, weights } = await openDecoder(checkpointOf(name), path.join(folder, name), "f32");
    using stack = await Stack.compile(decoder, weights, "whole");
    for (const { prompt, cached } of [
      { prompt: text, cached: 0 },
      { prompt: [...text.slice(0, PREFILL_CHUNK + 90), ...ids(30)], cached: PREFILL_CHUNK + 90 },
    ]) {
      const slot = engine.acquire(prompt);
      expect(slot.tokens.length).toBe(cached);
      const logits = (await engine.prefill(slot, prompt, new Meter(engine.programs))).slice();
      engine.release(slot);
      stack.restart();
      const whole = await stack.run(prompt);
      expect(worst(logits, whole.subarray(-logits.length))).toBeLessThan(1e-4);
    }
  });

  test("with the attention of all layers open, they have the logits of whole segments", async () => {
    const run = async (plan: Plan) => {
      const slot = engine.acquireEmpty(text, plan);
      const logits = (await engine.prefill(slot, text, new Meter(engine.programs), plan)).slice();
      engine.release(slot);
      return logits;
    };
    expect(worst(await run(seamed), await run(densePlan))).toBeLessThan(1e-4);
  });

  test("rows of other lengths have the logits that they have alone", async () => {
    await compareWithAlone(engine, texts(5, 72, 400, 20));
  });

  test("checks of drafts have the logits of decode steps, to the bit, as a window moves on; in pieces they cost as much", async () => {
    using engine = await open(name, "auto");
    const plan: Plan = { ...densePlan, drafter: { lengths: [3], draft: () => [], judge() {} } };
    await engine.prepare(plan);
    const { programs } = engine;
    expect(programs.hasApart(4)).toBe(!sharesKeys(programs.decoder.config));
    const slots = Array.from({ length: 3 }, () => engine.acquireEmpty(text));
    const [dense, whole, divided] = slots as [Slot, Slot, Slot];
    await engine.programs.prepareCuts([1]);
    divided.split(1);
    for (const slot of slots) await engine.prefill(slot, text.slice(0, CHECKED.from), new Meter(engine.programs));
    for (let at = CHECKED.from; at < CHECKED.to; at += 4) {
      const [token, ...ahead] = text.slice(at, at + 4) as [number, ...number[]];
      const steps: Float32Array[] = [];
      for (const id of [token, ...ahead])
        steps.push((await engine.step(dense, id, new Meter(engine.programs))).slice());
      const spent: number[] = [];
      for (const slot of [whole, divided]) {
        const meter = new Meter(engine.programs);
        const [result] = await engine.stepAll([{ slot, token, ahead, meter, plan }]);
        if (result?.kind !== "checked") throw new Error("drafts were not checked");
        expect(result.logits.map((row, i) => sameBits(row, steps[i]!))).toEqual([true, true, true, true]);
        spent.push(meter.spent().flops);
      }
      expect(spent[0]! / spent[1]!).toBeCloseTo(1, 9);
    }
  });
});

/** Each kind of tensor, given by part of its name: reversing its numbers must change results. */
test.each([
  ...["q_proj", "q_norm", "post_attention_layernorm", "post_feedforward_layernorm", "model.norm"].map((part) => [
    "exaone4",
    part,
  ]),
  ...["k_proj", "input_layernorm", "down_proj", "layers.3.self_attn.v_proj", "model.norm"].map((part) => [
    "cohere2",
    part,
  ]),
  ...["q_proj", "k_norm", "layers.2.self_attn.k_proj", "layers.1.self_attn.v_proj", "pre_feedforward_layernorm"].map(
    (part) => ["gemma4", part],
  ),
  ...[
    "q_proj",
    "layers.1.self_attn.k_proj",
    "router",
    "gate_up_proj",
    "experts.down_proj",
    "shared_expert.up_proj",
  ].map((part) => ["llama4-chunks", part]),
  ...["router.proj", "router.scale", "per_expert_scale", "gate_up_proj", "feedforward_layernorm_1"].map((part) => [
    "gemma4-experts",
    part,
  ]),
  ...[
    ...["embed_tokens_per_layer", "per_layer_model_projection", "per_layer_projection_norm", "per_layer_input_gate"],
    ...["layers.5.per_layer_projection.weight", "post_per_layer_input_norm", "layers.6.mlp.up_proj"],
    ...[
      "layers.2.self_attn.v_proj",
      "layers.3.self_attn.k_proj",
      "layers.4.self_attn.q_proj",
      "layers.7.self_attn.q_norm",
    ],
  ].map((part) => ["gemma4-e2b", part]),
] as [string, string][])("%s: %s of one layer, shuffled, changes the logits", async (model, part) => {
  const checkpoint = checkpointOf(model);
  const name = [...checkpoint.tensors.keys()].find((tensor) => tensor.includes(part))!;
  const floats: typeof checkpoint.floats = (tensor, ...rest) => {
    const values = checkpoint.floats(tensor, ...rest);
    return tensor.name === name ? values.toReversed() : values;
  };
  const tokens = text.slice(0, 20);
  const right = await wholeRun(checkpoint, model, tokens);
  const wrong = await wholeRun({ ...checkpoint, floats, variant: part }, `${model}-${part}`, tokens);
  expect(worst(wrong, right)).toBeGreaterThan(1e-3);
});
