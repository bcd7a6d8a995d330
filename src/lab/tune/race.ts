import { mean } from "../../util/mean.ts";
import { groupLosses } from "../../util/risk/groups.ts";
import type { Losses, LossType } from "../../util/risk/losses.ts";
import { bet, noWealth, type Wealth } from "../../util/risk/wealth.ts";
import type { Answers, Candidate, Problem, TuningItem } from "./problem.ts";
import { grouped } from "./split.ts";

/** The probability that a candidate whose expected loss equals the risk is ever dropped for its own losses. */
const WRONGLY_DROPPED = 0.1;

/** Losses by candidate, in the order of the items. */
export type RaceLosses = ReadonlyMap<Candidate, readonly number[]>;

/**
 * Answers the items under all candidates, item by item. A candidate and its family's bolder settings are dropped once
 * its loss exceeds the risk with a confidence valid at every look; never because another candidate is cheaper, since a
 * bold setting may just not have lost yet on a few items.
 * @returns the candidates that remain, with a loss for each item
 */
export async function race<T extends TuningItem>(
  { type, bound }: Pick<Problem<T>, "type" | "bound">,
  candidates: readonly Candidate[],
  items: readonly T[],
  answers: Pick<Answers<T>, "lossOf" | "answer" | "announce">,
): Promise<RaceLosses> {
  const losses = new Map(candidates.map((candidate) => [candidate, [] as number[]]));
  const bets = new Map<Candidate, Wealth>(candidates.map((candidate) => [candidate, noWealth]));
  const groups = grouped(items);
  const inOrder = groups.flat();
  let answered = 0;
  for (const group of groups) {
    const recipes = [...losses.keys()].map(({ recipe }) => recipe);
    for (const item of group) {
      answers.announce?.(inOrder.slice(answered++), () => recipes);
      await answers.answer?.(recipes, item);
      for (const [{ recipe }, values] of losses) values.push(await answers.lossOf(recipe, item));
    }
    for (const [candidate, values] of losses) {
      const after = bet(bets.get(candidate)!, mean(values.slice(-group.length)), type, bound.risk);
      bets.set(candidate, after);
      // If a loss is NaN, the martingale's wealth is also NaN.
      if (!(after.wealth < 1 / WRONGLY_DROPPED)) drop(losses, candidate);
    }
  }
  return losses;
}

/** One loss per group. */
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
