import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denoise } from "../src/engine/diffusion/denoise.ts";
import { DenoiserPrograms } from "../src/engine/diffusion/denoiser-programs.ts";
import { DenoiserRun } from "../src/engine/diffusion/denoiser-run.ts";
import { type DiffusionInput, diffusionOptions, scheduleOf } from "../src/engine/diffusion/options.ts";
import { seededRandom } from "../src/util/random.ts";
import type { Bench, Side } from "./harness.ts";
import { openRandom } from "./random-model.ts";

const [VOCABULARY, PROMPT, ANSWER, BLOCK] = [1024, 256, 32, 8];

/** The weights are random, since a pass's time does not depend on their values. */
const architecture = {
  ...{ model_type: "llada", d_model: 512, n_layers: 6, n_heads: 8, n_kv_heads: 8, mlp_hidden_size: 1536 },
  ...{ max_sequence_length: 1024, rms_norm_eps: 1e-5, rope_theta: 10000 },
};

/** Fills in an answer of masks, one token per step. */
function filling(name: string, input: DiffusionInput): Side {
  const folder = mkdtempSync(join(tmpdir(), "modicum-bench-diffuse-"));
  const options = diffusionOptions.parse({ block: BLOCK, ...input });
  let programs: DenoiserPrograms | undefined;
  return {
    name,
    async start() {
      const { decoder, weights } = await openRandom(folder, architecture, VOCABULARY);
      programs = await DenoiserPrograms.compile(decoder, weights);
    },
    async run() {
      const random = seededRandom(1);
      const prompt = Array.from({ length: PROMPT }, () => Math.floor((VOCABULARY - 1) * random()));
      const task = { prompt, mask: VOCABULARY - 1, ends: new Set<number>(), temperature: 0, random };
      using run = new DenoiserRun(programs!, PROMPT + ANSWER, BLOCK);
      const started = performance.now();
      for await (const _ of denoise(run, task, scheduleOf(ANSWER, options), options));
      return (1000 * run.passes) / (performance.now() - started);
    },
    async stop() {
      programs?.[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Compares fill-in steps after a long prompt, with keys and values computed once per block, and at each step. */
export const diffuse: Bench = {
  ...{ name: "diffuse", model: "a random llada", unit: "steps/s", moreIsBetter: true, lifetime: "kept" },
  sides: () => ({ ours: filling("with a prefix cache", { cache: true }), theirs: filling("without a cache", {}) }),
};
