import type { Signals } from "./signals.ts";

/** The inputs of gates: all are known before retrieval, so no gate depends on an index. */
export interface GateInput {
  readonly question: string;
  /** Signals from the plain answer's first token. */
  readonly signals?: Signals | undefined;
  /** The result of `rarityOf` for the question. */
  readonly rarity?: { readonly most: number; readonly mean: number } | undefined;
  /** Self-RAG's ratio, which takes one more prompt to compute. */
  readonly reflection?: number | undefined;
}

const ASKING = ["who", "what", "when", "where", "which", "how"] as const;

type FeatureReader = (input: GateInput) => number;

const count =
  (pattern: RegExp): FeatureReader =>
  ({ question }) =>
    question.match(pattern)?.length ?? 0;

const asks =
  (word: string): FeatureReader =>
  ({ question }) =>
    Number(new RegExp(`\\b${word}\\b`, "i").test(question));

/** The features of a trained gate, in the order of its weights. */
const FEATURES: Readonly<Record<string, FeatureReader>> = {
  words: (input) => Math.log1p(count(/[\p{L}\p{N}]+/gu)(input)),
  capitals: count(/(?<=\S\s+)\p{Lu}/gu),
  numbers: count(/\p{N}+/gu),
  ...Object.fromEntries(ASKING.map((word) => [word, asks(word)])),
  rarestWord: ({ rarity }) => rarity?.most ?? Number.NaN,
  meanWord: ({ rarity }) => rarity?.mean ?? Number.NaN,
  energy: ({ signals }) => signals?.energy ?? Number.NaN,
  entropy: ({ signals }) => signals?.entropy ?? Number.NaN,
  margin: ({ signals }) => signals?.margin ?? Number.NaN,
  maxLogProb: ({ signals }) => signals?.maxLogProb ?? Number.NaN,
};

export const featureNames: readonly string[] = Object.keys(FEATURES);

/** One number per feature, in the order of `featureNames`; NaN if its input is missing or not finite. */
export const featuresOf = (input: GateInput): number[] => Object.values(FEATURES).map((read) => read(input));
