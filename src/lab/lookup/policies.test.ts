import { expect, test } from "vitest";
import { type ComparedQuestion, judgeLookups } from "./policies.ts";
import { questionOf } from "./question.ts";

const cost = { exact: false, tokens: { prompt: 10, completion: 2 }, ms: 1 };

/** Every other question needs a lookup, as its margin shows; lookup makes every fourth answer wrong. */
const rows: ComparedQuestion[] = Array.from({ length: 40 }, (_, i) => {
  const needs = i % 2 === 0;
  const breaks = i % 4 === 1;
  return {
    ...{ set: "made", id: `${i}`, question: `question ${i}?`, covered: needs },
    plain: { ...cost, contains: !needs, flops: 100 },
    retrieved: { ...cost, contains: needs || !breaks, flops: 300 },
    reflection: { flops: 10, ms: 1 },
    probe: { flops: 40, ms: 1 },
    input: {
      signals: { energy: 0, entropy: 0, margin: needs ? 0.1 : 0.9, maxLogProb: 0 },
      rarity: { most: 1, mean: 1 },
      reflection: 0.5,
    },
  };
});

test("an informed gate looks up the half that needs it, and beats always and never", () => {
  const { policies, gates, fixes, breaks, coverage } = judgeLookups("made", rows, { vocabulary: 0, coverage: 0.1 });
  const [never, always] = policies;
  expect([fixes, breaks, coverage.here, coverage.all]).toEqual([0.5, 0.25, 0.5, 0.1]);
  expect([never!.accuracy, always!.accuracy]).toEqual([0.5, 0.75]);
  expect([never!.flops, always!.flops]).toEqual([100, 300]);
  const margin = gates.find(({ gate }) => gate === "margin")!;
  expect(margin.auroc.mean).toBe(1);
  expect(margin.half).toMatchObject({ rate: 0.5, accuracy: 1, delta: { mean: 0.25 } });
  // Half of the questions pay for the passages and for a discarded plain prompt.
  expect(margin.half.flops).toBeCloseTo(0.5 * 100 + 0.5 * (300 + 40), 9);
  expect(margin.half.predicted_flops).toBeCloseTo(margin.half.flops, 9);
  // The passages answer a tenth of all questions; without retrieval, exactly the other questions are answered
  // correctly.
  expect(never!.natural.accuracy).toBeCloseTo(0.9, 12);
});

test("a question is extracted from its prompt; a prompt of another form is itself the question", () => {
  const examples = "Question: a?\nAnswer: b\n\nQuestion: who?\nAnswer:";
  expect(questionOf({ id: "1", prompt: examples, answers: ["c"] }).question).toBe("who?");
  expect(questionOf({ id: "1", prompt: " Who? ", answers: ["c"] }).question).toBe("Who?");
});
