import { mean } from "../../util/mean.ts";
import type { RecipeSummary, Result } from "../results.ts";

/** A recipe's effect, by its work counters; undefined if some results lack counters, as in older runs. */
export function actionOf(results: readonly Pick<Result, "work">[]): RecipeSummary["acted"] {
  const counters = results.map(countersOf);
  if (counters.some((each) => each === undefined)) return undefined;
  const items = mean(counters.map((each) => Number(each!.some(({ dense, run }) => dense !== run))));
  return { items, change: largestChange(counters.flatMap((each) => each!)) };
}

interface Counter {
  readonly name: string;
  readonly dense: number;
  readonly run: number;
}

/** One item's counters. A pipeline's calls are counted by model. */
const countersOf = ({ work }: Pick<Result, "work">): Counter[] | undefined =>
  work && Object.entries(work).flatMap(([name, counter]) => counted(name, counter));

const counted = (name: string, counter: NonNullable<Result["work"]>[string] | number): Counter[] => {
  if (typeof counter === "number") return [];
  const { dense, run } = counter;
  if (typeof dense === "number" && typeof run === "number") return [{ name, dense, run }];
  return Object.entries(counter).flatMap(([model, calls]) => counted(`${name} of ${model}`, calls));
};

/** A counter that dense lacks (exits, drafts) counts as a full change. */
function largestChange(counters: readonly Counter[]): number {
  const sums = new Map<string, { dense: number; run: number }>();
  for (const { name, dense, run } of counters) {
    const sum = sums.get(name) ?? { dense: 0, run: 0 };
    sums.set(name, { dense: sum.dense + dense, run: sum.run + run });
  }
  const changes = [...sums.values()].map(({ dense, run }) => Math.abs(run - dense) / Math.max(dense, run, 1));
  return Math.max(0, ...changes);
}
