/** Turns a decider's raw logits into decisions. NaN never leads to an exit or a stop. */

const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

/** The probability that a token may exit, from the logit of `linear` or `ffn`; 0 for NaN. */
export function exitProbability(logit: number, temperature = 1): number {
  const p = sigmoid(logit / temperature);
  return Number.isNaN(p) ? 0 : p;
}

/** SEC's classes, in the order of the controller's logits and of the labels. */
export const actions = ["stop", "exit", "continue"] as const;
export type Action = (typeof actions)[number];

/** Probabilities of stop, exit and continue. */
export function actionProbabilities(logits: ArrayLike<number>, temperature = 1): number[] {
  const scaled = actions.map((_, i) => logits[i]! / temperature);
  const top = Math.max(...scaled);
  const exps = scaled.map((each) => Math.exp(each - top));
  const sum = exps.reduce((a, b) => a + b);
  return exps.map((each) => each / sum);
}

export interface ActionThresholds {
  readonly stop: number;
  readonly exit: number;
}

/**
 * SEC's decision (ICSE 2024; `v587su/SEC`): stop or exit if that class is the likeliest and its probability is above
 * its threshold. With a threshold of 0, the likeliest class always decides; a threshold above 1 turns the action off.
 * The first class wins among equals.
 */
export function actionOf(logits: ArrayLike<number>, thresholds: ActionThresholds, temperature = 1): Action {
  const p = actionProbabilities(logits, temperature);
  if (p.some(Number.isNaN)) return "continue";
  const likeliest = actions[p.indexOf(Math.max(...p))]!;
  if (likeliest === "continue") return likeliest;
  return Math.max(...p) > thresholds[likeliest] ? likeliest : "continue";
}
