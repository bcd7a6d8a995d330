import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { TrainingData } from "../../src/train/data/batch.ts";
import { compile } from "../child.ts";
import type { Bench, Side } from "../harness.ts";
import { US } from "../sides.ts";
import { TrainChild } from "./child.ts";
import { shakespeare } from "./data.ts";
import { type Prepared, prepare } from "./peer.ts";
import { python, script } from "./python.ts";
import { TORCH } from "./versions.ts";

const LOSS = 1.9;
const file = join(import.meta.dirname, "..", "..", "packages", "models", "shakespeare", "train.yaml");

/** Writes a run's batches for the peer (train_shakespeare.py describes the format). */
function writeBatches({ options, folder, data }: Prepared): void {
  const heldOut = Math.min(data.heldOut!.batches, options.evaluateBatches);
  const parts = [...batches(data.training, options.steps!), ...batches(data.heldOut!, heldOut)];
  writeFileSync(join(folder, "batches.i32"), Buffer.concat(parts.map((ids) => Buffer.from(ids.buffer))));
  const { batch: rows, tokens, steps: training, evaluateEvery } = options;
  writeFileSync(join(folder, "batches.json"), JSON.stringify({ rows, tokens, training, heldOut, evaluateEvery }));
}

function batches(data: TrainingData, count: number): Int32Array[] {
  return Array.from({ length: count }, (_, i) => data.batch(i)).flatMap(({ ids, labels }) => [ids, labels]);
}

/** Seconds from the start of a process until it has trained to the target loss. */
function untilSide(name: string, launch: () => Promise<TrainChild>): Side {
  let [child, started]: [TrainChild?, number?] = [];
  return {
    name,
    async start() {
      started = performance.now();
      child = await launch();
    },
    async run() {
      const { steps, loss } = await child!.call("until", { loss: LOSS });
      const seconds = (performance.now() - started!) / 1000;
      console.error(`${name}: a held-out loss of ${loss.toFixed(4)} after ${steps} steps, ${seconds.toFixed(1)} s`);
      if (loss > LOSS) throw new Error(`${name} ended at a held-out loss of ${loss}, expected at most ${LOSS}`);
      return seconds;
    },
    async stop() {
      await child?.stop();
    },
  };
}

/** Times nanoGPT's CPU setting from process start to the target loss, with the same weights and batches. */
export const trainShakespeare: Bench = {
  name: "train-shakespeare",
  model: "a GPT of 0.8 M parameters",
  unit: "s",
  moreIsBetter: false,
  lifetime: "fresh",
  rounds: 2,
  async sides() {
    const prepared = await prepare({ ...parse(readFileSync(file, "utf8")), data: shakespeare() });
    writeBatches(prepared);
    const { options, folder } = prepared;
    return {
      ours: untilSide(US, async () =>
        TrainChild.start(process.execPath, [await compile("train/engine.ts"), JSON.stringify(options)]),
      ),
      theirs: untilSide(TORCH, async () =>
        TrainChild.start(await python(), [script("train_shakespeare.py"), folder, "--heads", "4"]),
      ),
    };
  },
};
