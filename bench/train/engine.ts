/** Our trainer as a child of the training benches: `engine.ts OPTIONS`, with the options as JSON. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { trainOptions } from "../../src/train/options.ts";
import { TrainingRun } from "../../src/train/session/run.ts";
import { peakResident, seconds } from "../protocol.ts";
import type { SentBatch, TrainCommands } from "./child.ts";
import { openTraining } from "./open.ts";

type Request =
  | { readonly command: "steps"; readonly batches: readonly SentBatch[] }
  | { readonly command: "until"; readonly loss: number }
  | { readonly command: "peak" };

const options = trainOptions.parse(JSON.parse(process.argv[2]!));
const folder = mkdtempSync(join(tmpdir(), "modicum-bench-"));
const { subject, data } = await openTraining(options, folder);
rmSync(folder, { recursive: true });
const run = await TrainingRun.open(options, subject, data);
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) say(await answer(JSON.parse(line)));

async function answer(request: Request): Promise<TrainCommands[keyof TrainCommands]["answer"]> {
  switch (request.command) {
    case "steps":
      return steps(request.batches.length);
    case "until":
      return until(request.loss);
    case "peak":
      return { bytes: peakResident() };
  }
}

/** Runs steps on the run's own batches; the batches sent are equal, and only peers need them. */
async function steps(count: number): Promise<TrainCommands["steps"]["answer"]> {
  const started = performance.now();
  const losses: number[] = [];
  while (losses.length < count) losses.push((await run.step()).loss);
  return { seconds: seconds(started), losses };
}

async function until(loss: number): Promise<TrainCommands["until"]["answer"]> {
  let last = Number.POSITIVE_INFINITY;
  while (!run.ended && last > loss) last = (await run.step()).validation ?? last;
  return { steps: run.done, loss: last };
}

function say(reply: object): void {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
