import { mean } from "../../util/mean.ts";
import { bettingPValue } from "../../util/risk/betting.ts";
import { binomialCdf } from "../../util/risk/binomial.ts";
import { groupLosses } from "../../util/risk/groups.ts";
import { areUsable, type Losses, type LossType } from "../../util/risk/losses.ts";
import type { Answers, Candidate, Problem, TuningItem } from "./problem.ts";
import { grouped } from "./split.ts";

/** A candidate is dropped if its losses would be this rare at the risk that is allowed. */
const RARE = 0.1;

/** Losses by candidate, in the order of the items. */
export type Raced = ReadonlyMap<Candidate, readonly number[]>;

/**
 * Answers the items under all candidates, item by item. A candidate is dropped once its loss is above the risk with
 * confidence, and its family's bolder settings with it; never because another one is cheaper, since on a few items the
 * boldest have not lost yet.
 * @returns the candidates that remain, with a loss for each item
 */
export async function race<T extends TuningItem>(
  { type, bound }: Pick<Problem<T>, "type" | "bound">,
  candidates: readonly Candidate[],
  items: readonly T[],
  answers: Pick<Answers<T>, "lossOf" | "answer" | "announce">,
): Promise<Raced> {
  const losses = new Map(candidates.map((candidate) => [candidate, [] as number[]]));
  const means = new Map(candidates.map((candidate) => [candidate, [] as number[]]));
  const groups = grouped(items);
  const tested = groups.some(({ length }) => length > 1) && type === "binary" ? "unit" : type;
  for (const [i, group] of groups.entries()) {
    const recipes = [...losses.keys()].map(({ recipe }) => recipe);
    const upcoming = groups.slice(i).flat();
    for (const [at, item] of group.entries()) {
      answers.announce?.(upcoming.slice(at), () => recipes);
      await answers.answer?.(recipes, item);
      for (const [{ recipe }, values] of losses) values.push(await answers.lossOf(recipe, item));
    }
    for (const [candidate, values] of losses) {
      const loss = mean(values.slice(-group.length));
      means.get(candidate)!.push(loss);
      if (!(loss <= bound.risk) && isLost({ type: tested, values: means.get(candidate)! }, bound.risk))
        drop(losses, candidate);
    }
  }
  return losses;
}

/** One loss a group. */
export const lossesOf = (type: LossType, items: readonly TuningItem[], values: readonly number[]): Losses =>
  groupLosses(
    type,
    values.map((loss, i) => ({ group: items[i]!.group, loss })),
  );

function drop(losses: Map<Candidate, number[]>, lost: Candidate): void {
  for (const candidate of losses.keys())
    if (candidate === lost || (candidate.family === lost.family && candidate.boldness > lost.boldness))
      losses.delete(candidate);
}

/** True if the expected loss is above the risk with confidence, or the losses say nothing. */
function isLost(losses: Losses, risk: number): boolean {
  const { type, values } = losses;
  if (!areUsable(losses, risk)) return true;
  const sum = values.reduce((total, loss) => total + loss, 0);
  if (sum <= risk * values.length) return false;
  switch (type) {
    case "binary":
      return 1 - binomialCdf(sum - 1, values.length, risk) <= RARE;
    case "unit":
      return isAbove(values, risk);
    case "signed":
      return isAbove(
        values.map((loss) => (1 + loss) / 2),
        (1 + risk) / 2,
      );
  }
}

/** Bets that 1 − loss is below 1 − risk. */
const isAbove = (values: readonly number[], risk: number): boolean =>
  bettingPValue({ type: "unit", values: values.map((loss) => 1 - loss) }, { risk: 1 - risk, confidence: 1 - RARE }) <=
  RARE;
