import type { ClassifyPipeline } from "modicum";
import { expect, test } from "vitest";
import { makeReceipt } from "../../../src/ledger/receipt.ts";
import { amountsOf } from "../../../src/ledger/together.ts";
import { reference } from "./reference.ts";
import { TopicClassifier } from "./topics.ts";

const texts = Object.values(reference).flat();

/** A classifier with these cosines. The reference collection's are near `usual`, half of them below and half above. */
function classifierOf(
  usual: Readonly<Record<string, number>>,
  cosines: Readonly<Record<string, Record<string, number>>>,
) {
  const calls: (readonly string[])[] = [];
  const referenceScores = (i: number) =>
    Object.fromEntries(Object.entries(usual).map(([label, mean]) => [label, mean + (i % 2 === 0 ? 0.05 : -0.05)]));
  const classify = async (all: readonly string[]) => {
    calls.push(all);
    return {
      results: all.map((text, i) => {
        const scores = cosines[text] ?? referenceScores(i);
        return { label: Object.keys(scores)[0]!, scores, retrieved: false, fallback: false };
      }),
      receipt: makeReceipt({ model: "m", recipe: [], ...amountsOf([]), flops: { dense: 1, spent: 1, overhead: 0 } }),
    };
  };
  const pipeline = { classify, index: undefined, [Symbol.asyncDispose]: async () => {} };
  return { classifier: new TopicClassifier(pipeline as Pick<ClassifyPipeline, keyof typeof pipeline>), calls };
}

test("a label close to all papers gives way to one close to this one; a paper may have none", async () => {
  const { classifier } = classifierOf(
    { general: 0.4, special: 0.1 },
    {
      paper: { general: 0.45, special: 0.3 },
      other: { general: 0.45, special: 0.15 },
      both: { general: 0.6, special: 0.21 },
    },
  );
  const { topics } = await classifier.classify(["paper", "other", "both"], ["general", "special"]);
  expect(topics.map((topic) => topic?.label)).toEqual(["special", undefined, "general"]);
  expect(topics[0]!.score).toBeCloseTo(4);
});

test("an unknown label fits nothing", async () => {
  const cosines = Object.fromEntries([...texts, "paper"].map((text) => [text, { unknown: 0 }]));
  const { classifier } = classifierOf({}, cosines);
  expect((await classifier.classify(["paper"], ["unknown"])).topics).toEqual([undefined]);
});

test("the reference collection is read once for a set of labels, and billed", async () => {
  const { classifier, calls } = classifierOf({ a: 0.1, b: 0.2 }, { paper: { a: 0.5, b: 0.2 } });
  const first = await classifier.classify(["paper"], ["a", "b"]);
  const second = await classifier.classify(["paper"], ["a", "b"]);
  await classifier.classify(["paper"], ["a"]);
  expect(calls).toEqual([texts, ["paper"], ["paper"], texts, ["paper"]]);
  expect([first.receipt.flops.spent, second.receipt.flops.spent]).toEqual([2, 1]);
});
