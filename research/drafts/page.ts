import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { bestOf, type DraftTimes, neededFor } from "./gain.ts";

export const PAGE = "research/drafts/README.md";
export const SECTION = "draft-gains";

/** The goal, times dense's speed. */
const GOAL = 1.25;
const RESULTS = path.join(import.meta.dirname, "results");
const ACCEPTANCES = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

interface Measured extends DraftTimes {
  readonly model: string;
  readonly form: string;
  /** Milliseconds of a decode step. */
  readonly step: number;
  readonly machine: string;
}

export const measured = (): Measured[] =>
  readdirSync(RESULTS)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(RESULTS, name), "utf8")) as Measured);

/** The same with another check. */
const checkedBy = (all: readonly Measured[], check: "pieces"): Measured[] =>
  all.map((each) => ({ ...each, check: each[check] }));

const named = ({ model, form }: Measured): [string, string] => [model, form];

/** The cost of a draft and of checks, in decode steps. */
const costs = (all: readonly Measured[]): string =>
  markdownTable(
    ["model", "form", "a step, ms", "d", "v of 1, 2, 3, 4 drafts", "in pieces", "in a prompt's form"],
    all.map((each) => [
      ...named(each),
      each.step.toFixed(1),
      each.draft.toFixed(2),
      ...[each.check, each.pieces, each.whole].map((some) => some.map((v) => v.toFixed(2)).join(", ")),
    ]),
  );

/** The best gain at each acceptance, and the acceptance that the goal needs. */
const gains = (all: readonly Measured[]): string =>
  markdownTable(
    ["model", "form", ...ACCEPTANCES.map((a) => `a = ${a}`), `a for ${GOAL}`],
    all.map((each) => [
      ...named(each),
      ...ACCEPTANCES.map((a) => {
        const { drafts, gain } = bestOf(each, a);
        return `${gain.toFixed(2)} (${drafts})`;
      }),
      neededFor(each, GOAL)?.toFixed(2) ?? "none",
    ]),
  );

const SIX_OF_TEN = 0.6;

/** A model's predictions over its forms, in a sentence. */
function summaryOf(model: string, all: readonly Measured[]): string {
  const own = all.filter((each) => each.model === model);
  const range = (values: readonly number[]) => `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
  const speeds = (some: readonly Measured[]) => range(some.map((each) => bestOf(each, SIX_OF_TEN).gain));
  const needed = range(own.map((each) => neededFor(each, GOAL) ?? Number.POSITIVE_INFINITY));
  return `- ${model}: a draft that is right 6 times in 10 makes ${speeds(own)} times dense's speed, by form (${speeds(checkedBy(own, "pieces"))} with the check in pieces); ${GOAL} takes a = ${needed}.`;
}

/** Costs and predicted gains. */
export function draftSection(): string {
  const all = measured();
  const machine = `On ${all[0]!.machine.split(" (")[0]}, two cores.`;
  const models = [...new Set(all.map(({ model }) => model))];
  const summary = models.map((model) => summaryOf(model, all)).join("\n");
  const before = ["With the check in pieces:", gains(checkedBy(all, "pieces"))];
  return [machine, summary, costs(all), "Gains by the formula:", gains(all), ...before].join("\n\n");
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, draftSection());
