import { mean } from "../../util/mean.ts";
import { laddersOf, type RatedLadder } from "./ladders.ts";
import { testOrder } from "./order.ts";
import type { Answers, Candidate, Problem, TuningItem } from "./problem.ts";
import { search } from "./search.ts";
import { testInOrder, type Verdict } from "./sequence.ts";
import { split } from "./split.ts";

/** The steps on which a certificate's validity rests. */
export interface Procedure {
  readonly split: typeof split;
  readonly test: typeof testInOrder;
}

/** Callbacks for the progress of a tuning run. */
export interface Watch {
  /** Called with the order of the test before its first item runs; the order is final. */
  ordered?(order: readonly RatedLadder[]): Promise<void>;
}

export interface Outcome<T extends TuningItem> {
  readonly search: readonly T[];
  readonly test: readonly T[];
  /** Candidates and unions that survived the race. */
  readonly survivors: readonly Candidate[];
  /** Dense's mean price over the search items. */
  readonly dense: number;
  /** Ladders in the planned order of the test, from the most to the least expensive. */
  readonly order: readonly RatedLadder[];
  /** Ladders whose gain may be noise: they are not tested. */
  readonly unsure: readonly RatedLadder[];
  /** The executed tests, in order; the last one may have failed. */
  readonly verdicts: readonly Verdict[];
  /** The cheapest certified ladder; undefined if only dense remains. */
  readonly chosen: Verdict | undefined;
}

/**
 * Chooses the cheapest ladder of recipes whose expected loss is at most the bound's risk, with its confidence: searched
 * on a third of the groups, tested on the rest.
 */
export async function tune<T extends TuningItem>(
  problem: Problem<T>,
  answers: Answers<T>,
  watch: Watch = {},
  procedure: Procedure = { split, test: testInOrder },
): Promise<Outcome<T>> {
  const { type, bound } = problem;
  const parts = procedure.split(problem.items, type, bound);
  const { survivors, ...searched } = await search(problem, parts.search, answers);
  const dense = mean(parts.search.map(searched.recipes[0]!.price));
  const { order, unsure } = testOrder(laddersOf(searched, bound.risk), dense, answers.isCheaper);
  await watch.ordered?.(order);
  const ladders = order.map(({ ladder }) => ladder);
  const verdicts = await procedure.test(ladders, parts.test, { type, bound }, answers);
  const chosen = verdicts.findLast(({ certified }) => certified);
  return { ...parts, survivors, dense, order, unsure, verdicts, chosen };
}
