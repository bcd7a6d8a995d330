/** Every metric against the standard implementation's numbers, made by tools/reference/metrics.py. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ItemKind, ItemOf } from "../item.ts";
import type { Metric } from "../metric.ts";
import { tokens13a } from "./bleu.ts";
import { bootstrap } from "./bootstrap.ts";
import {
  accuracy,
  accuracyNormalised,
  agreement,
  auroc,
  bitsPerByte,
  bleu,
  commonPrefix,
  containsAnswer,
  editSimilarity,
  exactMatch,
  greedyMatch,
  labelAccuracy,
  mrr,
  ndcg,
  numberMatch,
  perplexity,
  perplexityOfContinuation,
  rougeL,
  rougeLWithDense,
  tokenF1,
} from "./index.ts";

interface Reference {
  texts: {
    text: string;
    answers: string[];
    exact: number;
    f1: number;
    rougeL: number;
    edit: number;
    tokens13a: string[];
  }[];
  bleu: { from: number; to: number; score: number }[];
  numbers: { text: string; answer: string; match: number }[];
  choices: { choices: string[]; logLikelihoods: number[]; gold: number; acc: number; acc_norm: number }[];
  likelihoods: {
    logLikelihoods: number[];
    perplexityOfContinuation: number;
    texts: string[];
    tokens: number[];
    textLogLikelihoods: number[];
    perplexity: number;
    bitsPerByte: number;
  };
  ranking: ({ relevance: Record<string, number>; order: string[]; recip_rank: number } & Record<
    `ndcg_cut_${number}`,
    number
  >)[];
  auroc: { scores: number[]; positive: boolean[]; auroc: number }[];
}

const reference = JSON.parse(readFileSync(new URL("./fixtures/reference.json", import.meta.url), "utf8")) as Reference;

const itemWith = (answers: readonly string[]): ItemOf<"generation"> => ({
  ...{ kind: "generation", id: "0", prompt: "?", stop: [], maxTokens: 1 },
  answers,
});
const generated = (metric: Metric<"generation">, text: string, answers: readonly string[], dense = "") =>
  metric.part(itemWith(answers), { text }, { text: dense });
const one = <K extends ItemKind>(metric: Metric<K>, part: readonly number[]) => metric.quality([part]);

describe("texts against references", () => {
  const metrics = { exact: exactMatch, f1: tokenF1, rougeL, edit: editSimilarity } as const;
  for (const [name, metric] of Object.entries(metrics) as [keyof typeof metrics, Metric<"generation">][])
    test(metric.name, () => {
      for (const row of reference.texts)
        expect(one(metric, generated(metric, row.text, row.answers)), JSON.stringify(row)).toBeCloseTo(row[name], 6);
    });

  test("tokens of BLEU", () => {
    for (const { text, tokens13a: expected } of reference.texts) expect(tokens13a(text)).toEqual(expected);
  });

  test("BLEU of corpora, with one reference and several", () => {
    for (const { from, to, score } of reference.bleu) {
      const parts = reference.texts.slice(from, to).map(({ text, answers }) => generated(bleu, text, answers));
      expect(bleu.quality(parts), `${from} to ${to}`).toBeCloseTo(score, 9);
    }
  });

  test("the last number, as in GSM8K's flexible-extract", () => {
    for (const { text, answer, match } of reference.numbers)
      expect(one(numberMatch, generated(numberMatch, text, [answer])), text).toBe(match);
  });

  test("numbers are compared as numbers, whatever surrounds them", () => {
    expect(generated(numberMatch, "18.00 dollars … I think.", ["#### 18"])).toEqual([1]);
    expect(generated(numberMatch, "no number", ["none either"])).toEqual([0]);
  });

  test("an answer within a text; a number only as a whole", () => {
    expect(generated(containsAnswer, "It is 12345.", ["12345"])).toEqual([1]);
    expect(generated(containsAnswer, "It is 123456.", ["12345"])).toEqual([0]);
    expect(generated(containsAnswer, "in PARIS (France)", ["Rome", "paris (france)"])).toEqual([1]);
    expect(generated(containsAnswer, "a+b", ["a.b"])).toEqual([0]);
  });
});

describe("likelihoods", () => {
  test("accuracy, raw and normalised; the first of equals wins", () => {
    for (const row of reference.choices) {
      const choices = row.choices.map((choice) => ({ context: "?", continuation: ` ${choice}` }));
      const item = { kind: "choice", id: "0", choices, gold: row.gold } as const;
      const answer = {
        likelihoods: row.logLikelihoods.map((logLikelihood) => ({ logLikelihood, greedy: false, tokens: 1 })),
      };
      expect(accuracy.part(item, answer, answer)).toEqual([row.acc]);
      expect(accuracyNormalised.part(item, answer, answer)).toEqual([row.acc_norm]);
    }
    expect(new Set(reference.choices.map(({ acc, acc_norm }) => `${acc} ${acc_norm}`)).size).toBe(4);
  });

  test("continuations", () => {
    const item = { kind: "continuation", id: "0", context: "a", continuation: " b" } as const;
    const answers = reference.likelihoods.logLikelihoods.map((logLikelihood, i) => ({
      ...{ logLikelihood, tokens: 3 },
      greedy: i % 4 === 0,
    }));
    const parts = (metric: Metric<"continuation">) => answers.map((answer) => metric.part(item, answer, answer));
    expect(perplexityOfContinuation.quality(parts(perplexityOfContinuation))).toBeCloseTo(
      reference.likelihoods.perplexityOfContinuation,
      9,
    );
    expect(greedyMatch.quality(parts(greedyMatch))).toBe(0.25);
  });

  test("perplexity and bits per byte weigh texts by their length", () => {
    const { texts, tokens, textLogLikelihoods } = reference.likelihoods;
    for (const [metric, expected] of [
      [perplexity, reference.likelihoods.perplexity],
      [bitsPerByte, reference.likelihoods.bitsPerByte],
    ] as const) {
      const parts = texts.map((text, i) => {
        const answer = { logLikelihood: textLogLikelihoods[i]!, tokens: tokens[i]! };
        return metric.part({ kind: "text", id: "0", text }, answer, answer);
      });
      expect(metric.quality(parts)).toBeCloseTo(expected, 9);
    }
  });
});

test("rankings equal trec_eval's", () => {
  for (const row of reference.ranking) {
    const item = { kind: "ranking", id: "0", query: "?", documents: [], relevance: row.relevance } as const;
    for (const k of [1, 10, 100])
      expect(one(ndcg(k), ndcg(k).part(item, row, row))).toBeCloseTo(row[`ndcg_cut_${k}`]!, 9);
    expect(one(mrr, mrr.part(item, row, row))).toBeCloseTo(row.recip_rank, 9);
  }
});

/** Texts that have or lack the first of two labels; the second label's scores rank the texts in reverse order. */
const labelled = (scores: readonly number[], positive: readonly boolean[]) =>
  scores.map((score, i) => [positive[i] ? 0 : 1, score, -score]);

test("AUROC equals scikit-learn's, including ties; NaN for one class", () => {
  for (const { scores, positive, auroc: expected } of reference.auroc)
    expect(auroc.quality(labelled(scores, positive))).toBeCloseTo(expected, 12);
  expect(auroc.quality(labelled([1, 2], [true, true]))).toBeNaN();
});

test("AUROC of several labels is their mean, each against the rest; its interval equals resampling item by item", () => {
  // The first label's scores separate its texts from the others, the second's only half of them; the third has no text.
  const parts = [
    [0, 0.9, 0.1, 0.5],
    [0, 0.8, 0.6, 0.1],
    [1, 0.1, 0.6, 0.3],
    [1, 0.2, 0.2, 0.9],
  ];
  // The second item has four pairs: two in order, one tied and one out of order.
  expect(auroc.quality(parts)).toBeCloseTo((1 + 2.5 / 4) / 2, 12);
  const { quality, resampled } = auroc;
  const many = Array.from({ length: 60 }, (_, i) => [
    i % 3,
    ...[0, 1, 2].map((l) => ((7 * i + 5 * l) % 11) + (l === i % 3 ? 2 : 0)),
  ]);
  expect(bootstrap(many, quality, { seed: 1, resampled: resampled! }).ci95).toEqual(
    bootstrap(many, quality, { seed: 1 }).ci95,
  );
});

test("label accuracy uses the greatest score", () => {
  const item = { kind: "label", id: "0", text: "?", labels: ["a", "b"], gold: 1 } as const;
  const part = (scores: number[]) => labelAccuracy.part(item, { scores }, { scores });
  expect([part([0.1, 0.2]), part([0.2, 0.1])]).toEqual([[1], [0]]);
});

test("agreement with dense", () => {
  const parts = (text: string, dense: string) =>
    [agreement, commonPrefix, rougeLWithDense].map((metric) => generated(metric, text, ["?"], dense)[0]);
  expect(parts("!", "!")).toEqual([1, 1, 1]);
  expect(parts("", "")).toEqual([1, 1, 1]);
  expect(parts("the cat sat", "the cat ran")).toEqual([0, 8 / 11, 2 / 3]);
  expect(parts("ab", "abcd")).toEqual([0, 0.5, 0]);
  expect(parts("😀a", "😀b")[1]).toBe(0.5);
});

test("no items have no quality", () => {
  for (const metric of [accuracy, perplexity, bleu]) expect(metric.quality([])).toBeNaN();
});
