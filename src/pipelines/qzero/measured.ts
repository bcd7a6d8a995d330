import type { ScorerKind } from "./options.ts";

/**
 * Gains in accuracy of the defaults over the text alone, with 95 % intervals, on data that did not choose them
 * (docs/results/qzero/choice).
 */
const measured: Readonly<Record<ScorerKind, string>> = {
  words: "+0.001 [−0.008, +0.011]",
  encoder: "−0.006 [−0.022, +0.009]",
};

const names: Readonly<Record<ScorerKind, string>> = { words: "word vectors", encoder: "encoders" };

/** Says that the text alone does as well. */
export const measuredNotice = (kind: ScorerKind): string =>
  `qzero's defaults for ${names[kind]} are no better than the text alone on real texts: accuracy ${measured[kind]}; docs/pipelines/qzero.md says where it pays`;
