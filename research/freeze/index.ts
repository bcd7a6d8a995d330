/**
 * Savings and cost of `freeze: auto`: npx tsx research/freeze/index.ts GSM8K, the file of GSM8K's training samples.
 * Each run is a process of its own. Writes research/freeze/results/smollm2.jsonl, and continues a stopped run.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { train } from "../../src/library/train.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { median } from "../common/median.ts";
import { ARMS, type FreezeRun, freezeRuns, RESULTS, STEPS, stepsInTimeOf } from "./done.ts";

/** Steps of the longer trainings, and samples. */
const [LONG, SAMPLES] = [96, 4000];
const SEEDS = [0, 1, 2];
const TARGETS = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";

const tensor = z.object({ names: z.array(z.string()), layer: z.number(), square: z.number(), frozen: z.boolean() });
type Tensor = z.output<typeof tensor>;
const tensorsIn = (file: string): Tensor[] =>
  z.object({ tensors: z.array(tensor) }).parse(JSON.parse(readFileSync(file, "utf8"))).tensors;

/** The tensors that an arm trains, by what `auto` chose. */
function trainedIn(arm: FreezeRun["arm"], seed: number, tensors: readonly Tensor[]): readonly Tensor[] {
  const auto = tensors.filter(({ frozen }) => !frozen);
  const lowest = lowestOf(auto);
  const random = seededRandom(1000 + seed);
  const drawn = (from: readonly Tensor[]) => shuffle([...from], random).slice(0, auto.length);
  switch (arm) {
    case "full":
      return tensors;
    case "auto":
      return auto;
    case "random":
      return drawn(tensors);
    case "above":
      return drawn(tensors.filter(({ layer }) => layer >= lowest));
  }
}

const lowestOf = (tensors: readonly Tensor[]): number => Math.min(...tensors.map(({ layer }) => layer));
const squareOf = (tensors: readonly Tensor[]): number => tensors.reduce((sum, { square }) => sum + square, 0);

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Planned {
  readonly arm: FreezeRun["arm"];
  readonly steps: number;
}

/** All arms at equal steps; then all LoRA layers in the time of `auto`, also of a longer training. */
const plans: readonly (() => readonly Planned[])[] = [
  () => ARMS.map((arm) => ({ arm, steps: STEPS })),
  () => [
    { arm: "auto", steps: LONG },
    ...[true, false].map((reading) => ({ arm: "full" as const, steps: stepsInTimeOf(LONG, reading) })),
  ],
  () => [true, false].map((reading) => ({ arm: "full", steps: stepsInTimeOf(STEPS, reading) })),
  () => [{ arm: "above", steps: LONG }],
];

/** Trains an arm in this process; `auto` leaves its choice in `work`, which the other arms follow. */
async function trained({ arm, steps }: Planned, seed: number, work: string): Promise<FreezeRun> {
  const out = path.join(work, `${arm}-${steps}-${seed}`);
  const chosen = path.join(work, `chosen-${seed}.json`);
  const known = arm === "auto" ? [] : tensorsIn(chosen);
  const unfrozen = arm === "auto" ? [] : trainedIn(arm, seed, known);
  const names = known.filter((each) => !unfrozen.includes(each)).flatMap((each) => each.names);
  const [times, losses]: [number[], number[]] = [[], []];
  let [heldOut, startMs, before] = [Number.NaN, 0, 0];
  const { receipt } = await train(
    {
      ...{ model: "smollm2", data: path.join(work, "samples.jsonl"), seed, steps, batch: 2, tokens: 96 },
      ...{ columns: { prompt: "{question}\n", completion: "{answer}" }, evaluateEvery: steps, evaluateBatches: 16 },
      ...{ lora: { rank: 8, targets: TARGETS }, quant: "f32", optimizer: { lr: 1e-3 }, schedule: { warmup: 5 } },
      ...(arm === "full" ? {} : { freeze: arm === "auto" ? arm : names }),
    },
    {
      ...{ out, threads: 1 },
      onBegin() {
        before = cpuMs();
        startMs = before;
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
  if (arm === "auto") copyFileSync(path.join(out, "frozen.json"), chosen);
  const tensors = tensorsIn(chosen);
  const own = trainedIn(arm, seed, tensors);
  return {
    ...{ arm, seed, steps, trained: own.length, tensors: tensors.length, lowest: lowestOf(own) },
    ...{ retained: squareOf(own) / squareOf(tensors), heldOut, loss: mean(losses.slice(-8)) },
    ...{ cpuMs: median(times), startMs, peakMb: process.resourceUsage().maxRSS / 1024 },
    ...{ flops: receipt.flops.spent, overhead: receipt.flops.overhead, machine: cpus()[0]!.model.trim() },
  };
}

/** Runs all arms that are not done, each in a process of its own. */
function runAll(data: string): void {
  const work = mkdtempSync(path.join(tmpdir(), "modicum-freeze-"));
  const lines = readFileSync(data, "utf8").trim().split("\n").slice(0, SAMPLES);
  writeFileSync(path.join(work, "samples.jsonl"), lines.join("\n"));
  for (const plan of plans)
    for (const seed of SEEDS) {
      const done = freezeRuns().filter((run) => run.seed === seed);
      const isDone = ({ arm, steps }: Planned) => done.some((run) => run.arm === arm && run.steps === steps);
      const remaining = plan().filter((each) => !isDone(each));
      // The other arms need the choice of `auto`; a second run chooses the same.
      const isChosen = existsSync(path.join(work, `chosen-${seed}.json`)) || remaining[0]?.arm === "auto";
      const wanted =
        remaining.length === 0 || isChosen ? remaining : [{ arm: "auto", steps: STEPS } as const, ...remaining];
      for (const each of wanted) {
        const call = ["--import", "tsx", import.meta.filename, each.arm, String(each.steps), String(seed), work];
        const { stdout, status } = spawnSync(process.execPath, call, { stdio: ["ignore", "pipe", "inherit"] });
        if (status !== 0) throw new Error(`${each.arm} of seed ${seed} ended with status ${status}`);
        if (remaining.includes(each)) appendFileSync(RESULTS, stdout);
        process.stdout.write(stdout);
      }
    }
  rmSync(work, { recursive: true });
}

if (process.argv[1] === import.meta.filename) {
  const [first, steps, seed, work] = process.argv.slice(2);
  const arm = ARMS.find((one) => one === first);
  if (arm && work !== undefined)
    console.log(JSON.stringify(await trained({ arm, steps: Number(steps) }, Number(seed), work)));
  else if (first !== undefined) runAll(first);
  else throw new Error("expected the file of GSM8K's training samples");
}
