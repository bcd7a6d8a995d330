import { describe, expect, test } from "vitest";
import type { ReadTerms } from "../../engine/encoders/text/encoder-model.ts";
import { type Receipt, receiptSchema } from "../../ledger/receipt.ts";
import type { LabelModel } from "../classify/label-model.ts";
import { scoreOptions } from "../scores.ts";
import { ClassifyCascade } from "./classify.ts";

/** FLOPs and bytes per text. */
interface Price {
  readonly flops: number;
  readonly bytes: number;
}

/** A model that reads its logits from the text, `name:1,2;other:3,4`, and counts the texts. */
function fake(name: string, { flops, bytes }: Price, labels = ["a", "b"]): LabelModel & { readonly read: string[] } {
  const read: string[] = [];
  const price = (texts: readonly string[]) => ({ flops: texts.length * flops, bytes: texts.length * bytes });
  return {
    ...{ name, key: name, labels, read, price },
    async logits(texts, { signal, onStopped }: ReadTerms = {}) {
      read.push(...texts);
      const spent = price(texts);
      const usage = {
        tokens: { prompt: texts.length, cached: 0, completion: 0 },
        flops: { dense: spent.flops, spent: spent.flops, overhead: 0 },
        bytes: { dense: spent.bytes, spent: spent.bytes },
        work: {},
        arrived: 0,
        ms: { queue: 0, encode: 0, prefill: 1, decode: 0 },
      };
      if (texts.some((text) => text.includes(`${name}:stop`))) {
        onStopped?.(usage);
        throw new Error("stopped");
      }
      signal?.throwIfAborted();
      return {
        answers: texts.map((text) => new RegExp(`${name}:([^;]*)`).exec(text)![1]!.split(",").map(Number)),
        usage,
      };
    },
  };
}

const pairOf = () => ({
  swift: fake("swift", { flops: 10, bytes: 1 }),
  super: fake("super", { flops: 100, bytes: 5 }),
});

const EASY = "swift:5,-5;super:-1,1";
const HARD = "swift:0.1,0;super:-2,2";
const ODD = "swift:NaN,0;super:3,0";

test("Swift's answer if it scores at the threshold or above, else Super's", async () => {
  const pair = pairOf();
  const { results } = await new ClassifyCascade({ ...pair, threshold: 2 }).classify([HARD, EASY, HARD]);
  expect(results.map(({ label, route }) => [label, route.to])).toEqual([
    ["b", "super"],
    ["a", "swift"],
    ["b", "super"],
  ]);
  expect(results[1]!.route).toEqual({ to: "swift", model: "swift", score: expect.closeTo(5.0000454, 6), threshold: 2 });
  expect(results[0]!.scores["b"]).toBeCloseTo(1 / (1 + Math.exp(-4)), 9);
  expect(pair.super.read).toEqual([HARD, HARD]);
});

test("logits that are not finite go to Super, whatever the threshold", async () => {
  const cascade = new ClassifyCascade({ ...pairOf(), threshold: Number.NEGATIVE_INFINITY });
  const { results } = await cascade.classify([ODD, EASY]);
  expect(results.map(({ route }) => [route.to, route.score === null])).toEqual([
    ["super", true],
    ["swift", false],
  ]);
  expect(results[0]).toMatchObject({ label: "a", route: { threshold: null } });
});

describe("at the ends it is one model alone, bit for bit", () => {
  test.each([
    [Number.NEGATIVE_INFINITY, "swift", 0],
    [Number.POSITIVE_INFINITY, "super", 2],
  ] as const)("threshold %d", async (threshold, who, count) => {
    const pair = pairOf();
    const { results } = await new ClassifyCascade({ ...pair, threshold }).classify([EASY, HARD]);
    const { answers } = await pairOf()[who].logits([EASY, HARD]);
    const probability = (logits: ArrayLike<number>) => 1 / (1 + Math.exp(logits[1]! - logits[0]!));
    expect(results.map(({ scores }) => scores["a"])).toEqual(answers.map((z) => expect.closeTo(probability(z), 12)));
    expect(pair.super.read).toHaveLength(count);
    expect(pair.swift.read).toHaveLength(2);
  });
});

describe("one receipt for both", () => {
  const receiptOf = async (texts: string[], threshold: number): Promise<Receipt> =>
    (await new ClassifyCascade({ ...pairOf(), threshold }).classify(texts)).receipt;

  test("spent is Swift on all texts, scoring, and Super on its share; dense is Super on all", async () => {
    const receipt = await receiptOf([HARD, EASY, EASY, EASY], 2);
    // Four FLOPs per logit for scoring, two logits per text.
    expect(receipt.flops).toEqual({ dense: 400, spent: 40 + 100 + 32, overhead: 10 + 32, saved: 1 - 172 / 400 });
    expect(receipt.bytes).toEqual({ dense: 20, spent: 4 + 5 });
    expect(receipt.work).toEqual({ calls: { swift: { dense: 0, run: 4 }, super: { dense: 4, run: 1 } } });
    expect(receipt).toMatchObject({ model: "swift>super", estimated: false, tokens: { prompt: 5 } });
    expect(receiptSchema.safeParse(receipt).success).toBe(true);
  });

  test("Super is called as often as inputs are escalated", async () => {
    for (const count of [0, 1, 3]) {
      const texts = [EASY, ...Array.from({ length: count }, () => HARD)];
      expect(await receiptOf(texts, 2)).toMatchObject({ work: { calls: { super: { dense: count + 1, run: count } } } });
    }
  });

  test("a random score costs nothing", async () => {
    const scoring = scoreOptions.parse({ score: "random" });
    const cascade = new ClassifyCascade({ ...pairOf(), threshold: 0, scoring });
    expect((await cascade.classify([EASY])).receipt.flops.spent).toBe(10);
  });

  test("a stopped call reports its cost", async () => {
    const receipts: Receipt[] = [];
    const call = new ClassifyCascade({ ...pairOf(), threshold: 2 }).classify(["swift:0,0;super:stop", EASY], {
      onStopped: (receipt) => receipts.push(receipt),
    });
    await expect(call).rejects.toThrow("stopped");
    expect(receipts.map(({ flops }) => flops.spent)).toEqual([20 + 100 + 16]);
  });

  test("nothing is reported if nothing ran", async () => {
    const receipts: Receipt[] = [];
    const terms = { signal: AbortSignal.abort(), onStopped: (receipt: Receipt) => receipts.push(receipt) };
    await expect(new ClassifyCascade({ ...pairOf(), threshold: 2 }).classify([EASY], terms)).rejects.toThrow(/abort/);
    expect(receipts).toEqual([]);
  });

  test("no texts, no work", async () => {
    const { results, receipt } = await new ClassifyCascade({ ...pairOf(), threshold: 2 }).classify([]);
    expect([results, receipt.flops.spent, receipt.flops.dense]).toEqual([[], 0, 0]);
  });
});

describe("refused", () => {
  const price = { flops: 1, bytes: 1 };
  test.each([
    ["a model with itself", fake("m", price), fake("m", price), "Swift and Super are both m; expected two models"],
    [
      "another order of labels",
      fake("m", price, ["a", "b"]),
      fake("n", price, ["b", "a"]),
      'label 1 is "a" of m and "b" of n; expected the same order of labels',
    ],
    [
      "other labels",
      fake("m", price, ["a", "b"]),
      fake("n", price, ["a", "c"]),
      'label 2 is "b" of m and "c" of n; expected the same labels',
    ],
    [
      "more labels",
      fake("m", price, ["a", "b"]),
      fake("n", price, ["a", "b", "c"]),
      "m has 2 labels and n 3; expected the same labels",
    ],
  ])("%s", (_, swift, strong, message) => {
    expect(() => new ClassifyCascade({ swift, super: strong, threshold: 0 })).toThrow(message);
  });

  test("an invalid threshold", () => {
    expect(() => new ClassifyCascade({ ...pairOf(), threshold: Number.NaN })).toThrow(/the threshold is NaN/);
  });
});
