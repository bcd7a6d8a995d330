import { describe, expect, test } from "vitest";
import type { AnswerOf, GenerationItem } from "../item.ts";
import type { Metric } from "../metric.ts";
import {
  acceptedProxy,
  bleuOfTokens,
  exactLine,
  layersPerToken,
  length,
  rougeLOfTokens,
  shownAcceptedProxy,
  stopped,
} from "./completion.ts";

type Answer = AnswerOf["generation"];

const item = (answer: string, answerTokens: readonly number[] = []): GenerationItem => ({
  ...{ kind: "generation", id: "0", prompt: "?", stop: [], maxTokens: 10, answers: [answer], answerTokens },
});

const judged = (metric: Metric<"generation">, ...pairs: readonly (readonly [GenerationItem, Answer])[]) =>
  metric.quality(pairs.map(([question, answer]) => metric.part(question, answer, answer)));

const ofTokens = (metric: Metric<"generation">, tokens: readonly number[], reference: readonly number[]) =>
  judged(metric, [item("", reference), { text: "", tokens }]);

describe("ROUGE-L and BLEU over token ids", () => {
  test.each([
    [[1, 2, 3, 4], [1, 2, 3, 4], 1, 1],
    [[1, 2, 3, 4], [5, 6, 7, 8], 0, 0],
    [[1, 2, 3, 4], [1, 3, 4, 9], 0.75, undefined],
    [[], [1, 2], 0, 0],
  ])("of %j against %j", (tokens, reference, rouge, bleu) => {
    expect(ofTokens(rougeLOfTokens, tokens, reference)).toBe(rouge);
    if (bleu !== undefined) expect(ofTokens(bleuOfTokens, tokens, reference)).toBeCloseTo(bleu, 12);
  });

  test("BLEU is lower for a completion that is shorter", () => {
    const [whole, short] = [
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 5],
    ].map((tokens) => ofTokens(bleuOfTokens, tokens, [1, 2, 3, 4, 5, 6]));
    expect(short).toBeCloseTo(whole! * Math.exp(1 - 6 / 5), 12);
  });

  test("ids are not digits: 1, 2 is not 12", () => {
    expect(ofTokens(rougeLOfTokens, [1, 2], [12])).toBe(0);
    expect(ofTokens(bleuOfTokens, [1, 2, 3, 4], [12, 34])).toBe(0);
  });
});

describe("a completion's first line", () => {
  test.each([
    ["return a;", "return a;", 1, 1],
    ["return a;  \nb", "return a;\n}", 1, 1],
    ["\n  return a;", "\n  return a;\n}", 1, 1],
    ["\n  return b;", "\n  return a;", 0, 1],
    ["\n\n", "return a;", 0, 0],
    ["x", "return a;", 0, 0],
  ])("%j against %j: exact %i, accepted %i", (text, reference, exact, accepted) => {
    expect(judged(exactLine, [item(reference), { text }])).toBe(exact);
    expect(judged(acceptedProxy, [item(reference), { text }])).toBe(accepted);
  });

  test("a blank line does not count as exact for another blank line", () => {
    expect(judged(exactLine, [item("\n  a();"), { text: "\n  b();" }])).toBe(0);
  });
});

test("among shown completions, a stopped one is compared with the reference's beginning", () => {
  const question = item("return compute(a, b, c);");
  const shown = { text: "return compute(" };
  const none = [question, { text: "", stopped: true }] as const;
  expect(judged(shownAcceptedProxy, [question, shown], none)).toBe(0);
  expect(judged(shownAcceptedProxy, [question, { ...shown, stopped: true }], none)).toBe(1);
  expect(judged(acceptedProxy, [question, { ...shown, stopped: true }], none)).toBe(0);
  expect(judged(shownAcceptedProxy, none)).toBe(0);
});

test("a completion's cost: tokens, layers, stops", () => {
  const answers = [
    [item(""), { text: "", tokens: [1, 2, 3], layers: 24 }],
    [item(""), { text: "", tokens: [1], layers: 12, stopped: true }],
  ] as const;
  expect([length, layersPerToken, stopped].map((metric) => judged(metric, ...answers))).toEqual([2, 18, 0.5]);
});
