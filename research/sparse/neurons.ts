/**
 * Whole neurons pruned from SmolLM2: npx tsx research/sparse/neurons.ts MODEL GSM8K WORK [ARM …]
 * MODEL is the folder that `modicum export smollm2 MODEL --format safetensors` writes, GSM8K the folder of train.jsonl and
 * test.jsonl. Trains what is missing in research/sparse/results/neurons.jsonl, of all arms or of some; models go to WORK.
 */
import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { z } from "zod";
import { train } from "../../src/index.ts";
import { mean } from "../../src/util/mean.ts";
import { median } from "../common/median.ts";
import { ARMS, armNames, folderOf, isUntrained, type NeuronRun, neuronRuns, RUNS } from "./neuron-runs.ts";

const STEPS = 12;
const machine = `${cpus()[0]!.model.trim()}, 1 thread`;

type Arm = NeuronRun["arm"];

interface Places {
  readonly model: string;
  readonly data: string;
  readonly work: string;
}
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const neuronsIn = (folder: string): number =>
  z.object({ intermediate_size: z.number() }).parse(JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8")))
    .intermediate_size;

async function trained(arm: Arm, { model, data, work }: Places): Promise<NeuronRun> {
  const [out, method] = [folderOf(work, arm), ARMS[arm]];
  const steps = isUntrained(arm) ? 1 : STEPS;
  const [times, losses]: [number[], number[]] = [[], []];
  let [heldOut, before] = [Number.NaN, 0];
  const { receipt } = await train(
    {
      ...{ model, ...(method !== undefined && { method }) },
      ...{ data: path.join(data, "train.jsonl"), validation: path.join(data, "test.jsonl"), steps },
      ...{ columns: { prompt: "{question}\n", completion: "{answer}" }, labels: "all", packing: true },
      ...{ batch: 2, tokens: 256, evaluateEvery: steps, evaluateBatches: 16, saveEvery: 1000 },
      ...{ optimizer: { lr: isUntrained(arm) ? 1e-12 : 1e-4 }, schedule: { warmup: isUntrained(arm) ? 0 : 4 } },
    },
    {
      ...{ out, threads: 1, reuse: "force" },
      onBegin() {
        before = cpuMs();
      },
      onStep({ loss, validation }) {
        const now = cpuMs();
        if (validation === undefined) times.push(now - before);
        before = now;
        losses.push(loss);
        heldOut = validation ?? heldOut;
      },
    },
  );
  rmSync(path.join(out, "checkpoints"), { recursive: true, force: true });
  return {
    ...{ arm, neurons: neuronsIn(out), steps, heldOut, loss: mean(losses.slice(-8)) },
    ...{ cpuMs: times.length === 0 ? 0 : median(times), flops: receipt.flops.spent, machine },
  };
}

async function main([model, data, work, ...chosen]: readonly string[]): Promise<void> {
  if (model === undefined || data === undefined || work === undefined)
    throw new Error("expected MODEL, GSM8K and WORK");
  for (const arm of armNames) {
    const isLeftOut = chosen.length > 0 && !chosen.includes(arm);
    if (isLeftOut || neuronRuns().some((run) => run.arm === arm)) continue;
    const result = await trained(arm, { model, data, work });
    appendFileSync(RUNS, `${JSON.stringify(result)}\n`);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}

await main(process.argv.slice(2));
