import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { BASE, doneRuns } from "./main.ts";
import { ARMS, type DoneRun, LANGUAGES } from "./runs.ts";
import type { Curves } from "./smollm2.ts";

export const PAGE = "research/ul2r/README.md";
export const SECTION = "ul2r-results";

/** The mean over seeds, with the least and the greatest. */
const spread = (values: readonly number[], digits: number): string =>
  values.length === 1
    ? values[0]!.toFixed(digits)
    : `${mean(values).toFixed(digits)} [${Math.min(...values).toFixed(digits)}, ${Math.max(...values).toFixed(digits)}]`;

const SUITES = ["causal", "tagged", "prefix", "R", "X, long spans", "X, many spans"];

/** Runs by language and arm, the base first; those without a run are left out. */
function byArm(runs: readonly DoneRun[]): [arm: string, runs: DoneRun[]][] {
  const named = Object.entries(LANGUAGES).flatMap(([letters, { name }]) =>
    [BASE, ...new Set(ARMS.map((one) => one.name))].map((arm) => ({ letters, name, arm })),
  );
  return named
    .map(({ letters, name, arm }): [string, DoneRun[]] => {
      const own = runs.filter((run) => run.letters === letters && run.arm === arm);
      return [`${name}: ${arm}${own[0]?.steps ? `, ${own[0].steps} steps` : ""}`, own];
    })
    .filter(([, own]) => own.length > 0);
}

const lossTable = (runs: readonly DoneRun[]): string =>
  markdownTable(
    ["nats a label", "seeds", "base without tokens", ...SUITES],
    byArm(runs).map(([arm, own]) => [
      arm,
      `${own.length}`,
      spread(
        own.map(({ baseNats }) => baseNats),
        3,
      ),
      ...SUITES.map((suite) =>
        spread(
          own.map(({ nats }) => nats[suite]!),
          3,
        ),
      ),
    ]),
  );

const infillTable = (runs: readonly DoneRun[]): string =>
  markdownTable(
    ["right letters (chance 0.062)", "prefix mask", "causal mask"],
    byArm(runs).map(([arm, own]) => [
      arm,
      ...(["prefix", "causal"] as const).map((mask) =>
        spread(
          own.map(({ infill }) => infill[mask]),
          3,
        ),
      ),
    ]),
  );

/** The cost of the runs beside that of the base's training: positions, FLOPs, minutes of one thread on a shared machine. */
const costTable = (runs: readonly DoneRun[]): string =>
  markdownTable(
    ["run", "tokens", "of the base's", "FLOPs", "of the base's", "minutes"],
    byArm(runs.filter(({ arm }) => arm !== BASE)).map(([arm, own]) => [
      arm,
      `${own[0]!.tokens.toLocaleString("en")}`,
      mean(own.map(({ tokens, baseTokens }) => tokens / baseTokens)).toFixed(2),
      mean(own.map(({ flops }) => flops)).toExponential(2),
      mean(own.map(({ flops, baseFlops }) => flops / baseFlops)).toFixed(2),
      spread(
        own.map(({ minutes }) => minutes),
        1,
      ),
    ]),
  );

/** The beginning of SmolLM2's runs. */
function smollm2Parts(): string[] {
  const file = join(root, "research/ul2r/results/smollm2.json");
  if (!existsSync(file)) return [];
  const { arms } = JSON.parse(readFileSync(file, "utf8")) as Curves;
  const rows = arms.flatMap(({ arm, points }) =>
    points.map(({ steps, nats }) => [arm, `${steps}`, ...SUITES.map((suite) => nats[suite]!.toFixed(2))]),
  );
  const costs = arms.map(
    ({ arm, tokens, flops, minutes }) =>
      `${arm}: ${tokens.toLocaleString("en")} tokens, ${flops.toExponential(2)} FLOPs, ${minutes.toFixed(1)} minutes`,
  );
  return ["### SmolLM2, its first steps", markdownTable(["run", "steps", ...SUITES], rows), `${costs.join("; ")}.`];
}

/** The tables of the committed runs. */
export function ul2rSection(): string {
  const runs = doneRuns();
  if (runs.length === 0) return "No run has been committed yet.";
  return [lossTable(runs), infillTable(runs), costTable(runs), ...smollm2Parts()].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, ul2rSection());
