import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../harness.ts";
import { gsm8k } from "./data.ts";
import { prepare, temporary } from "./peer.ts";
import { msPerStep, trainSides } from "./side.ts";
import { TORCH } from "./versions.ts";

const [PAIRS, STEPS] = [4096, 1];

/** GSM8K's questions, each with its worked answer: real texts of 20 to 200 tokens. Returns their file. */
function pairs(): string {
  const file = join(temporary(), "pairs.jsonl");
  const lines = gsm8k()
    .slice(0, PAIRS)
    .map(({ question, answer }) => JSON.stringify({ query: question, positive: answer }));
  writeFileSync(file, lines.join("\n"));
  return file;
}

/** Whole contrastive steps of an encoder, 32 pairs each. */
export const trainMinilm: Bench = {
  name: "train-minilm",
  unit: "ms/step",
  moreIsBetter: false,
  lifetime: "kept",
  async sides({ path }) {
    const prepared = await prepare({
      ...{ model: path, head: "embedding", data: pairs(), tokens: 256, batch: 32, validation: 0 },
      ...{ evaluateEvery: 1_000_000, optimizer: { lr: 2e-5 }, schedule: { name: "constant" } },
    });
    const peer = { name: TORCH, script: "train_minilm.py", args: [path] };
    return trainSides({ prepared, steps: STEPS, peer, measure: msPerStep(STEPS) });
  },
};
