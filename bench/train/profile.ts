/**
 * Prints where the time of a training step goes, program by program: `npx tsx bench/train/profile.ts CONFIG.yaml
 * [STEPS]`. Programs with the same inputs and outputs are one kind; the rest of a step is JavaScript.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { Program } from "../../src/runtime/program.ts";
import { trainOptions } from "../../src/train/options.ts";
import { TrainingRun } from "../../src/train/session/run.ts";
import { markdownTable } from "../../tools/section.ts";
import { openTraining } from "./open.ts";

interface Spent {
  runs: number;
  ms: number;
}

const [config = "", count = "20"] = process.argv.slice(2);
const steps = Number(count);
const options = trainOptions.parse(parse(readFileSync(config, "utf8")));
const folder = mkdtempSync(join(tmpdir(), "modicum-profile-"));
const { subject, data } = await openTraining(options, folder);
rmSync(folder, { recursive: true });
const run = await TrainingRun.open(options, subject, data);
await run.step();

const byKind = new Map<string, Spent>();
watch();
const started = performance.now();
for (let step = 0; step < steps; step++) await run.step();
const whole = (performance.now() - started) / steps;

const kinds = [...byKind].sort(([, a], [, b]) => b.ms - a.ms);
const inPrograms = kinds.reduce((sum, [, { ms }]) => sum + ms, 0) / steps;
const row = (kind: string, runs: string, ms: number) => [
  kind,
  runs,
  ms.toFixed(2),
  `${((100 * ms) / whole).toFixed(1)} %`,
];
console.log(
  markdownTable(
    ["program", "runs per step", "ms per step", "share"],
    [
      ...kinds.map(([kind, { runs, ms }]) => row(kind, (runs / steps).toFixed(1), ms / steps)),
      row("JavaScript", "", whole - inPrograms),
      row("all", "", whole),
    ],
  ),
);

/** Times every program's runs from here on. */
function watch(): void {
  const plain = Program.prototype.run;
  Program.prototype.run = async function (...values) {
    const start = performance.now();
    await plain.apply(this, values);
    note(this, performance.now() - start);
  };
  const plainSync = Program.prototype.runSync;
  Program.prototype.runSync = function (...values) {
    const start = performance.now();
    plainSync.apply(this, values);
    note(this, performance.now() - start);
  };
}

function note(program: Program, ms: number): void {
  const kind = kindOf(program);
  const { runs, ms: before } = byKind.get(kind) ?? { runs: 0, ms: 0 };
  byKind.set(kind, { runs: runs + 1, ms: before + ms });
}

function kindOf({ inputs, outputs }: Program): string {
  const few = (names: readonly string[]) => (names.length > 4 ? [...names.slice(0, 4), "…"] : names).join(" ");
  return `${few(inputs)} → ${few(outputs)}`;
}
