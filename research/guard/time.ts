/**
 * The time that a mask saves: `npx tsx research/guard/time.ts MODEL DATA MASK… [--rounds N]` trains an image generator
 * with nothing frozen and under each mask, in turns on one thread, and prints, beside the receipts' shares, the share
 * of a step's CPU time that each mask saves: the median of the rounds, with the least and the most.
 */
import { parseArgs } from "node:util";
import { chooseThreads } from "../../src/runtime/threads.ts";
import { ratiosOf, readMask } from "../../src/train/freeze/mask-file.ts";
import { openDrawing } from "../../src/train/methods/noise/open-drawing.ts";
import { trainOptions } from "../../src/train/options.ts";
import { TrainingRun } from "../../src/train/session/run.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";

const { positionals, values } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string" } } });
const [model, data, ...masks] = positionals;
if (model === undefined || data === undefined || masks.length === 0)
  throw new Error("usage: npx tsx research/guard/time.ts MODEL DATA MASK… [--rounds N]");
const [ROUNDS, STEPS] = [Number(values.rounds ?? 15), 5];
chooseThreads(1);

const options = (freezeMask?: string) =>
  trainOptions.parse({
    ...{ model, data: [data], validation: 0, batch: 16, steps: (ROUNDS + 1) * STEPS },
    ...(freezeMask !== undefined && { freezeMask }),
  });

async function open(freezeMask?: string): Promise<TrainingRun> {
  const own = options(freezeMask);
  const opened = await openDrawing(own, openCheckpoint(model!));
  return TrainingRun.open(own, opened.subject, opened.data);
}

/** Milliseconds of the processor that a step takes. */
async function timed(run: TrainingRun): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < STEPS; i++) await run.step();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / STEPS;
}

const sorted = (all: readonly number[]): number[] => all.toSorted((a, b) => a - b);
const median = (all: readonly number[]): number => sorted(all)[Math.floor(all.length / 2)]!;
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

const runs = [await open(), ...(await Promise.all(masks.map(open)))];
for (const run of runs) await timed(run);
const times = runs.map(() => [] as number[]);
for (let round = 0; round < ROUNDS; round++) for (const [i, run] of runs.entries()) times[i]!.push(await timed(run));
console.log(`nothing frozen: ${median(times[0]!).toFixed(1)} ms a step`);
for (const [i, mask] of masks.entries()) {
  const { tensors, parameters } = ratiosOf(readMask(mask));
  const { flops, work } = runs[i + 1]!.receipt("");
  const { dense, run } = work!["trainingBytes"]!;
  const spared = times[i + 1]!.map((ms, round) => 1 - ms / times[0]![round]!);
  const all = sorted(spared);
  console.log(
    `${mask}: ${percent(tensors)} of the tensors, ${percent(parameters)} of the parameters; saved: ${percent(1 - run / dense)} of the bytes, ` +
      `${percent(flops.saved)} of the FLOPs, ${percent(median(spared))} of the time [${percent(all[0]!)}, ${percent(all.at(-1)!)}]`,
  );
}
for (const run of runs) run[Symbol.dispose]();
