/** Mixtures of experts with mixed attention, from fixtures with random weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Stack } from "../../../models/programs/stack.testing.ts";
import { openDecoder } from "../../../models/registry.ts";
import { seededRandom } from "../../../util/random.ts";
import { type Checkpoint, openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-mixture-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = seededRandom(6);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(72 * random()));
const text = ids(2 * PREFILL_CHUNK + 40);

const checkpointOf = (name: string) =>
  openCheckpoint(fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url)));

async function stackOf(checkpoint: Checkpoint, prepared: string): Promise<Stack> {
  const { decoder, weights } = await openDecoder(checkpoint, path.join(folder, prepared), "f32");
  return Stack.compile(decoder, weights, "whole");
}

const apart = (got: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Array.from(got).reduce((worst, v, i) => Math.max(worst, Math.abs(v - expected[i]!)), 0);

test.each(["deepseek_v2", "deepseek_v3", "glm4_moe"])(
  "%s: a prompt of several chunks, and one that shares its beginning with it",
  async (name) => {
    const checkpoint = checkpointOf(name);
    const { decoder, weights } = await openDecoder(checkpoint, path.join(folder, name), "f32");
    using engine = await Engine.create(decoder, weights);
    const logitsOf = async (prompt: readonly number[]) => {
      const slot = engine.acquire(prompt);
      const reused = slot.tokens.length;
      const logits = (await engine.prefill(slot, prompt, new Meter(engine.programs))).slice();
      engine.release(slot);
      return { logits, reused };
    };
    using stack = await stackOf(checkpoint, name);
    const whole = await stack.run(text);
    expect(apart((await logitsOf(text)).logits, whole.subarray(-decoder.config.vocabulary))).toBeLessThan(1e-4);
    const prompt = [...text.slice(0, PREFILL_CHUNK + 9), ...ids(4)];
    const again = await logitsOf(prompt);
    engine.forget();
    const fresh = await logitsOf(prompt);
    expect([again.reused, fresh.reused]).toEqual([PREFILL_CHUNK + 9, 0]);
    expect(apart(again.logits, fresh.logits)).toBeLessThan(1e-4);
  },
);

describe("each kind of tensor, shuffled in one layer, changes the logits", () => {
  const mixture = ["mlp.gate.weight", "e_score_correction_bias", "experts.1.down_proj", "shared_experts.up_proj"];
  const latent = ["self_attn.q_proj", "kv_a_proj_with_mqa", "kv_a_layernorm", "kv_b_proj", "o_proj"];
  test.each([
    ...[...mixture, "q_proj.bias", "k_norm", "layers.0.mlp.gate_proj"].map((part) => ["glm4_moe", part] as const),
    ...latent.map((part) => ["deepseek_v2", part] as const),
    ...["mlp.gate.weight", "e_score_correction_bias", "kv_b_proj"].map((part) => ["deepseek_v3", part] as const),
    ...["q_a_proj.weight", "q_a_proj.bias", "q_a_layernorm", "q_b_proj"].map(
      (part) => ["deepseek_v2-groups", part] as const,
    ),
  ])("%s: %s", async (model, part) => {
    const checkpoint = checkpointOf(model);
    const name = [...checkpoint.tensors.keys()].find((tensor) => tensor.includes(part))!;
    const floats: typeof checkpoint.floats = (tensor, ...rest) => {
      const values = checkpoint.floats(tensor, ...rest);
      return tensor.name === name ? values.toReversed() : values;
    };
    using right = await stackOf(checkpoint, model);
    using wrong = await stackOf({ ...checkpoint, floats, variant: part }, `${model}-${part}`);
    const [expected, got] = [await right.run(text.slice(0, 20)), await wrong.run(text.slice(0, 20))];
    expect(apart(got, expected)).toBeGreaterThan(1e-3);
  });
});
