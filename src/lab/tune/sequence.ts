import { type Ladder, rungsAt } from "../../savings/auto/ladder.ts";
import { mean } from "../../util/mean.ts";
import type { Bound, LossType } from "../../util/risk/losses.ts";
import { pValue } from "../../util/risk/p-value.ts";
import { ladderLoss } from "./ladders.ts";
import type { Answers, TuningItem } from "./problem.ts";
import { lossesOf } from "./race.ts";
import { grouped } from "./split.ts";

export interface Verdict {
  readonly ladder: Ladder;
  /** The p-value of "the expected loss is above the risk"; for a test that ended early, its least possible value. */
  readonly p: number;
  /** Mean loss of the answered items. */
  readonly mean: number;
  /** Answered groups. */
  readonly groups: number;
  readonly certified: boolean;
}

/**
 * Tests ladders in order on items that were not used to choose, up to the first failure; all ladders before it are
 * certified with the bound's confidence (fixed-sequence testing, Angelopoulos et al., arXiv 2110.01052).
 */
export async function testInOrder<T extends TuningItem>(
  order: readonly Ladder[],
  items: readonly T[],
  { type, bound }: { readonly type: LossType; readonly bound: Bound },
  answers: Pick<Answers<T>, "lossOf" | "answer" | "announce">,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const ladder of order) {
    const verdict = await testOf(ladder, items, { type, bound }, answers);
    verdicts.push(verdict);
    if (!verdict.certified) break;
  }
  return verdicts;
}

/** Tests one ladder; stops early only once its failure is certain. @throws RangeError if there are no items */
export async function testOf<T extends TuningItem>(
  ladder: Ladder,
  items: readonly T[],
  { type, bound }: { readonly type: LossType; readonly bound: Bound },
  answers: Pick<Answers<T>, "lossOf" | "answer" | "announce">,
): Promise<Verdict> {
  const groups = grouped(items);
  const inOrder = groups.flat();
  const values: number[] = [];
  for (const [i, group] of groups.entries()) {
    const from = values.length;
    for (const item of group) {
      answers.announce?.(inOrder.slice(values.length), (item) => savingRungs(ladder, item));
      values.push(await lossAt(ladder, item, answers));
    }
    const ends = i + 1 === groups.length;
    if (!ends && values.slice(from).every((loss) => loss <= bound.risk)) continue;
    const rest = Array<number>(items.length - values.length).fill(least(type));
    const p = pValue(lossesOf(type, items, [...values, ...rest]), bound);
    const certified = p <= 1 - bound.confidence;
    if (ends || !certified) return { ladder, p, mean: mean(values), groups: i + 1, certified };
  }
  throw new RangeError("a ladder's test needs at least one item");
}

const least = (type: LossType): number => (type === "signed" ? -1 : 0);

/** The recipes that may answer an item instead of dense. */
const savingRungs = (ladder: Ladder, { tokens }: TuningItem): readonly string[] =>
  rungsAt(ladder, tokens).filter((recipe) => recipe !== "dense");

async function lossAt<T extends TuningItem>(ladder: Ladder, item: T, answers: Pick<Answers<T>, "lossOf" | "answer">) {
  const losses = new Map<string, number>();
  const recipes = savingRungs(ladder, item);
  await answers.answer?.(recipes, item);
  for (const recipe of recipes) losses.set(recipe, await answers.lossOf(recipe, item));
  return ladderLoss(ladder, item, (recipe) => losses.get(recipe)!);
}
