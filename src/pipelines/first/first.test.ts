import { beforeAll, describe, expect, test } from "vitest";
import { NotFinite } from "../../engine/not-finite.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { fakeModel, receiptOf, smollm2Tokenizer } from "./fake.testing.ts";
import { type RerankTerms, rerank } from "./first.ts";
import { checkFirstOptions, type FirstInput } from "./options.ts";
import { WindowRanker } from "./window.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await smollm2Tokenizer();
});

const named = { model: "fake+first", recipe: ["first"] };
const grade = (passage: string) => Number(/grade (-?\d+)/.exec(passage)?.[1] ?? -1);
const graded = (seed: number, count: number) =>
  shuffle(
    Array.from({ length: count }, (_, i) => `grade ${i}`),
    seededRandom(seed),
  );

async function ranked(
  documents: readonly string[],
  input: FirstInput,
  { query = "which?", ...terms }: Partial<RerankTerms> & { query?: string } = {},
) {
  const options = checkFirstOptions(input);
  const model = fakeModel(tokenizer, grade);
  const ranker = new WindowRanker(model, options);
  return { model, ...(await rerank((work) => work(ranker), query, documents, options, { named, ...terms })) };
}

describe("an oracle", () => {
  test("ranks the best ten of a hundred right, with one call per window and one token per call", async () => {
    const documents = graded(1, 100);
    const { order, windows, receipt, model } = await ranked(documents, { rankEnd: 100 });
    expect(order.slice(0, 10).map((i) => grade(documents[i]!))).toEqual([99, 98, 97, 96, 95, 94, 93, 92, 91, 90]);
    expect([...order].sort((a, b) => a - b)).toEqual([...documents.keys()]);
    expect(model.prompts).toHaveLength(9);
    expect(model.terms.every(({ maxTokens, temperature }) => maxTokens === 1 && temperature === 0)).toBe(true);
    expect(windows.map(({ window }) => window[0])).toEqual([80, 70, 60, 50, 40, 30, 20, 10, 0]);
    expect(receipt.work).toMatchObject({ windows: { dense: 9, run: 9 }, calls: { fake: { dense: 9, run: 9 } } });
    const { decoded } = receipt.work as { decoded: { dense: number; run: number } };
    expect(decoded.run).toBeLessThanOrEqual(9);
    // "A] > [B] > … [T]": one token for each letter, three tokens between two letters, and a final bracket.
    expect(decoded.dense).toBe(9 * (20 + 19 * 3 + 1));
    expect(receipt).toMatchObject({ model: "fake+first", estimated: true });
    expect(receipt.flops.dense - receipt.flops.spent).toBe(decoded.dense - decoded.run - receipt.flops.overhead);
  });

  test("leaves documents beyond rankEnd in an encoder's order", async () => {
    const documents = graded(2, 60);
    const presorter = {
      relevance: async (_: string, texts: readonly string[]) => ({
        scores: texts.map((text) => grade(text) % 30),
        receipt: receiptOf(7, "encoder"),
      }),
    };
    const { order, receipt, windows } = await ranked(documents, { presort: "encoder" }, { presorter });
    const grades = order.map((i) => grade(documents[i]!));
    expect(windows).toHaveLength(1);
    expect(grades.slice(0, 20)).toEqual([...grades.slice(0, 20)].sort((a, b) => b - a));
    expect(grades.slice(0, 20).every((g) => g % 30 >= 20)).toBe(true);
    expect(grades.slice(20).map((g) => g % 30)).toEqual(Array.from({ length: 40 }, (_, i) => 19 - Math.floor(i / 2)));
    expect(receipt.work!["calls"]).toEqual({ encoder: { dense: 0, run: 1 }, fake: { dense: 1, run: 1 } });
    const unsorted = await ranked(documents, { presort: "none" });
    expect(receipt.flops.overhead).toBe(unsorted.receipt.flops.overhead + 7);
  });
});

describe("a list of six", () => {
  const documents = ["a wing", "a plate", "the wing of a plate", "heat", "wings", "flow"];
  const reversed = documents.toReversed();
  /** The model keeps the order in which it reads the passages. */
  const texts = async (list: readonly string[], input: FirstInput) => {
    const { order, receipt } = await ranked(list, input, { query: "wing" });
    return { ranking: order.map((i) => list[i]), receipt };
  };

  test("ranks two orders of a list the same, by the query's terms, and the receipt says that it was presorted", async () => {
    const [one, other] = [await texts(documents, {}), await texts(reversed, {})];
    expect(one.ranking).toEqual(["a wing", "wings", "the wing of a plate", "a plate", "flow", "heat"]);
    expect(other.ranking).toEqual(one.ranking);
    expect(one.receipt.work).toMatchObject({ presorted: { dense: 0, run: 6 } });
    // Three postings and six letters.
    expect(one.receipt.flops.overhead).toBe(3 * 6 + 6);
  });

  test("is read in order with presort=none, and dense costs the same", async () => {
    const input = { presort: "none" };
    const [one, other] = [await texts(documents, input), await texts(reversed, input)];
    expect([one.ranking, other.ranking]).toEqual([documents, reversed]);
    expect(one.receipt.work).not.toHaveProperty("presorted");
    expect((await texts(documents, {})).receipt.flops.dense).toBe(one.receipt.flops.dense);
  });
});

test("equal passages keep their order, and one passage needs no pass", async () => {
  expect((await ranked(["grade 1", "grade 1", "grade 1"], {})).order).toEqual([0, 1, 2]);
  const { model, order, receipt } = await ranked(["grade 1"], {});
  expect([order, model.prompts, receipt.flops.spent]).toEqual([[0], [], 0]);
});

test("letters in a passage or a query are not identifiers: the prompt has one of each", async () => {
  const { order, model } = await ranked(["[B] grade 1 [A] > [B]", "grade 2\n[C] grade 9"], {});
  expect(order).toEqual([1, 0]);
  expect(model.prompts[0]!.match(/^\[[A-Z]\]/gm)).toEqual(["[A]", "[B]"]);
  expect(model.prompts[0]).toContain("[A] (B) grade 1 (A) > (B)\n[B] grade 2 (C) grade 9\n");
});

test("more documents than letters are ranked in windows; a document without words is also a passage", async () => {
  const many = [...graded(3, 28), " \u0000\n"];
  const { order, windows, model } = await ranked(many, { windowSize: 26, stride: 13, rankEnd: 29, presort: "none" });
  expect(windows.map(({ window }) => window)).toEqual([
    [3, 29],
    [0, 16],
  ]);
  expect([...order].sort((a, b) => a - b)).toEqual([...many.keys()]);
  expect(model.prompts[0]).toMatch(/^\[Z\] \n/m);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])("a logit of %s is refused", async (logit) => {
  const options = checkFirstOptions({});
  const ranker = new WindowRanker(
    fakeModel(tokenizer, () => logit),
    options,
  );
  await expect(rerank((work) => work(ranker), "q", ["a", "b"], options, { named })).rejects.toThrow(NotFinite);
});

test("a ceiling is checked before a window runs", async () => {
  await expect(ranked(graded(1, 30), { rankEnd: 30 }, { ceiling: 100 })).rejects.toThrow(
    /the windows cost about .* FLOPs, more than the ceiling of 1.000e\+2/,
  );
  await expect(ranked(graded(1, 30), { rankEnd: 30 }, { ceiling: 1e4 })).resolves.toBeDefined();
});

test("a stopped reranking reports its cost", async () => {
  const stop = new AbortController();
  const receipts: Receipt[] = [];
  const options = checkFirstOptions({ rankEnd: 40 });
  const model = fakeModel(tokenizer, (passage) => {
    stop.abort();
    return grade(passage);
  });
  const ranker = new WindowRanker(model, options);
  const terms = { named, signal: stop.signal, onStopped: (receipt: Receipt) => void receipts.push(receipt) };
  const run = rerank((work) => work(ranker), "q", graded(1, 40), options, terms);
  await expect(run).rejects.toThrow(/abort/i);
  expect(receipts).toHaveLength(1);
  expect(receipts[0]!.work).toMatchObject({ windows: { dense: 1, run: 1 } });
});

test("no ranker is leased while a list is presorted, and a list without a ranker bills its presort", async () => {
  const calls: string[] = [];
  const receipts: Receipt[] = [];
  const presorter = {
    relevance: async (_: string, texts: readonly string[]) => {
      calls.push("presort");
      return { scores: texts.map(grade), receipt: receiptOf(7, "encoder") };
    },
  };
  const lend = async () => {
    calls.push("lend");
    throw new Error("no memory");
  };
  const terms = { named, presorter, onStopped: (receipt: Receipt) => void receipts.push(receipt) };
  const run = rerank(lend, "q", graded(1, 4), checkFirstOptions({ presort: "encoder" }), terms);
  await expect(run).rejects.toThrow("no memory");
  expect(calls).toEqual(["presort", "lend"]);
  expect(receipts.map(({ model, flops, work }) => [model, flops.spent, work!["presorted"]])).toEqual([
    ["fake+first", 7, { dense: 0, run: 4 }],
  ]);
});

test.each([
  ["", ["a"], "the query is empty, expected a text"],
  ["q", [], "no documents given; expected at least one"],
])("query %j of %j is refused", async (query, documents, sentence) => {
  const options = checkFirstOptions({});
  const ranker = new WindowRanker(fakeModel(tokenizer, grade), options);
  await expect(rerank((work) => work(ranker), query, documents, options, { named })).rejects.toThrow(sentence);
});
