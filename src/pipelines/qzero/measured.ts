import type { ScorerKind } from "./options.ts";

/**
 * Accuracy gained by the defaults over using only the text, with 95 % intervals, on data not used to choose them
 * (research/qzero/choice).
 */
const measured: Readonly<Record<ScorerKind, string>> = {
  words: "+0.001 [−0.008, +0.011]",
  encoder: "−0.006 [−0.022, +0.009]",
};

const names: Readonly<Record<ScorerKind, string>> = { words: "word vectors", encoder: "encoders" };

/** The notice shown at the first lookup. */
export const measuredNotice = (kind: ScorerKind): string =>
  `qzero with ${names[kind]} is no better than the text alone on headlines, recipes and opinions: accuracy ${measured[kind]}, with its defaults`;
