import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Meter } from "../src/engine/bill/meter.ts";
import { Engine } from "../src/engine/decode/run/engine.ts";
import { seededRandom } from "../src/util/random.ts";
import type { Bench, Side } from "./harness.ts";
import { openRandom } from "./random-model.ts";

const [VOCABULARY, PROMPT, STEPS] = [1024, 64, 64];
const [EXPERTS, ACTIVE, WIDTH] = [8, 2, 1024];

/** The weights are random: a layer's time does not depend on their values, and tokens choose different experts. */
const COMMON = {
  ...{ hidden_size: 768, num_hidden_layers: 4, num_attention_heads: 12, num_key_value_heads: 4 },
  ...{ max_position_embeddings: 4096, rms_norm_eps: 1e-5 },
};
const MIXTURE = {
  ...{ ...COMMON, model_type: "mixtral", num_local_experts: EXPERTS, num_experts_per_tok: ACTIVE },
  intermediate_size: WIDTH,
};
/** A model whose feed-forward network is as large as a token's active experts together. */
const DENSE = { ...COMMON, model_type: "llama", intermediate_size: ACTIVE * WIDTH };

const random = seededRandom(1);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(VOCABULARY * random()));

/** Decode steps of a new model in 8 bits after a short prompt. */
function decoding(name: string, architecture: object): Side {
  const folder = mkdtempSync(join(tmpdir(), "modicum-bench-moe-"));
  let engine: Engine | undefined;
  return {
    name,
    async start() {
      const { decoder, weights } = await openRandom(folder, architecture, VOCABULARY);
      engine = await Engine.create(decoder, weights);
    },
    async run() {
      const prompt = ids(PROMPT);
      const slot = engine!.acquireEmpty(prompt);
      await engine!.prefill(slot, prompt, new Meter(engine!.programs));
      const started = performance.now();
      for (const token of ids(STEPS)) await engine!.step(slot, token, new Meter(engine!.programs));
      const ms = performance.now() - started;
      engine!.release(slot);
      return (1000 * STEPS) / ms;
    },
    async stop() {
      engine?.[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Compares decoding with eight experts, two of them active, with a dense model of equal active size. */
export const moe: Bench = {
  ...{ name: "moe", model: "a random mixtral", unit: "tok/s", moreIsBetter: true, lifetime: "kept" },
  sides: () => ({ ours: decoding("2 of 8 experts", MIXTURE), theirs: decoding("dense, as large", DENSE) }),
};
