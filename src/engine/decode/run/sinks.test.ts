/** Heads with sinks, in layers with and without a window, over texts far longer than the window: the tiny gpt-oss. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { Stack } from "../../../models/programs/stack.testing.ts";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan, type Plan } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { compareWithAlone, texts } from "./batch.testing.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-sinks-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = fileURLToPath(new URL("../../../models/fixtures/gpt_oss", import.meta.url));
const open = (checkpoint = openCheckpoint(fixture), to = "plain") =>
  openDecoder(checkpoint, path.join(folder, to), "f32");

const random = seededRandom(5);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(72 * random()));
const text = ids(2 * PREFILL_CHUNK + 40);

async function create(): Promise<Engine> {
  const { decoder, weights } = await open();
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

const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((worst, v, i) => Math.max(worst, Math.abs(v - b[i]!)), 0);

async function whole(tokens: readonly number[], ...from: Parameters<typeof open>): Promise<Float32Array> {
  const { decoder, weights } = await open(...from);
  using stack = await Stack.compile(decoder, weights, "whole");
  return await stack.run(tokens);
}

test("a prompt of several chunks has the logits of one run over all of it", async () => {
  using engine = await create();
  expect(difference((await logitsOf(engine, text)).logits, (await whole(text)).subarray(-72))).toBeLessThan(1e-4);
});

test("a prompt that shares its beginning with an earlier one goes on from there", async () => {
  using engine = await create();
  const prompt = [...text.slice(0, PREFILL_CHUNK + 9), ...ids(4)];
  const fresh = await logitsOf(engine, prompt);
  engine.forget();
  await logitsOf(engine, text);
  const again = await logitsOf(engine, prompt);
  expect([fresh.ran, again.ran]).toEqual([prompt.length, 4]);
  expect(difference(again.logits, fresh.logits)).toBeLessThan(1e-4);
});

test("rows of different length have the logits that they have alone", async () => {
  using engine = await create();
  await compareWithAlone(engine, texts(5, 72, 60, 30));
});

test("with each layer's attention in a program of its own, layers keep their own sinks", async () => {
  using engine = await create();
  const open: Plan = {
    ...densePlan,
    attention: () => ({
      chunk: PREFILL_CHUNK,
      chunkAfter: () => PREFILL_CHUNK,
      attend: (call) => call.dense(),
    }),
  };
  await engine.prepare(open);
  const dense = await logitsOf(engine, text);
  engine.forget();
  expect(difference((await logitsOf(engine, text, open)).logits, dense.logits)).toBeLessThan(1e-4);
});

/** Each kind of tensor: reversing it must change results. */
test.each([
  "self_attn.sinks",
  "self_attn.k_proj.weight",
  "self_attn.v_proj.bias",
  "self_attn.o_proj.bias",
  "mlp.router.weight",
  "mlp.router.bias",
  "experts.gate_up_proj",
  "experts.gate_up_proj_bias",
  "experts.down_proj",
  "experts.down_proj_bias",
])("%s of one layer, reversed, changes the logits", async (part) => {
  const checkpoint = openCheckpoint(fixture);
  const name = `model.layers.1.${part.startsWith("experts") ? "mlp." : ""}${part}`;
  expect(checkpoint.tensors.has(name)).toBe(true);
  const floats: typeof checkpoint.floats = (tensor, ...rest) => {
    const values = checkpoint.floats(tensor, ...rest);
    return tensor.name === name ? values.toReversed() : values;
  };
  const tokens = text.slice(0, 20);
  const wrong = await whole(tokens, { ...checkpoint, floats, variant: part }, part);
  expect(difference(wrong, await whole(tokens))).toBeGreaterThan(1e-3);
});
