import type { Bench } from "../harness.ts";
import { shakespeare } from "./data.ts";
import { prepare } from "./peer.ts";
import { msPerStep, trainSides } from "./side.ts";
import { TORCH } from "./versions.ts";

const STEPS = 2;

/** A character-level GPT with 10.7 million parameters, trained on 8 rows of 256 characters. */
const options = () => ({
  architecture: {
    ...{ model_type: "gpt2", n_layer: 6, n_head: 6, n_embd: 384, n_positions: 256 },
    ...{ layer_norm_epsilon: 1e-5, tie_word_embeddings: true },
  },
  ...{ data: shakespeare(), tokens: 256, batch: 8, validation: 0, evaluateEvery: 1_000_000 },
  schedule: { name: "constant" as const },
});

/** Whole steps of training a small GPT: forward, backward, clipping and AdamW. */
export const trainGpt: Bench = {
  name: "train-gpt",
  model: "a GPT of 10.7 M parameters",
  unit: "ms/step",
  moreIsBetter: false,
  lifetime: "kept",
  async sides() {
    const prepared = await prepare(options());
    const peer = { name: TORCH, script: "train_gpt.py", args: [prepared.folder, "--heads", "6"] };
    return trainSides({ prepared, steps: STEPS, peer, measure: msPerStep(STEPS) });
  },
};
