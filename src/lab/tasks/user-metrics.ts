import { suggest, UserError } from "../../util/errors.ts";
import type { ItemKind } from "../item.ts";
import type { Metric } from "../metric.ts";
import {
  accuracy,
  accuracyNormalised,
  agreement,
  answerMatch,
  bleu,
  commonPrefix,
  containsAll,
  containsAnswer,
  editSimilarity,
  exactMatch,
  numberMatch,
  rougeL,
  rougeLWithDense,
  tokenF1,
} from "../metrics/index.ts";
import type { TaskOf } from "../task.ts";

/** Metrics of items with choices. */
export const ofChoices = [accuracy, accuracyNormalised] as const;
/** Metrics of items with answers. The first three are the defaults. */
export const ofTexts = [
  ...[answerMatch, tokenF1, containsAnswer, containsAll, exactMatch, numberMatch],
  ...[rougeL, bleu, editSimilarity, agreement, commonPrefix, rougeLWithDense],
] as const;

/**
 * Puts the user's metric before a kind's default metrics. @throws UserError that suggests the nearest name if the
 * metric does not exist
 */
export function chosenFirst<K extends ItemKind>(
  name: string | undefined,
  metrics: readonly Metric<K>[],
  first = metrics.length,
): TaskOf<K>["metrics"] {
  const names = metrics.map((metric) => metric.name);
  const chosen = name === undefined ? metrics[0]! : metrics.find((metric) => metric.name === name);
  if (chosen) return [chosen, ...metrics.slice(0, first).filter((metric) => metric !== chosen)];
  throw new UserError(
    `there is no metric "${name}" for such items${suggest(name!, names) || `; the metrics are ${names.join(", ")}`}`,
    2,
  );
}
