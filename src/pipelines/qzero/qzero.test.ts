import { describe, expect, test } from "vitest";
import { type Receipt, receiptSchema } from "../../ledger/receipt.ts";
import { LookupPrices } from "./bill.ts";
import { KeptLabels } from "./classifier.ts";
import { classified, fakeEncoder, found } from "./classify.testing.ts";
import { ContextualScorer } from "./contextual.ts";
import { parseLabels } from "./labels.ts";
import type { QZeroInput } from "./options.ts";
import { classify } from "./qzero.ts";
import type { Scorer } from "./scorer.ts";
import { StaticScorer } from "./static.ts";
import { smallVectors } from "./vectors.testing.ts";

const words = () => new StaticScorer("small", smallVectors());
function encoder() {
  const model = fakeEncoder(smallVectors());
  return { model, scorer: new ContextualScorer((use) => use(model)) };
}

/** The midpoint of the two labels, and texts close to one of them. */
const texts = { "goal market": ["goal"], goal: ["market", "market"], market: ["goal"] };
const labelsOf = (results: readonly { label: string | null }[]) => results.map(({ label }) => label);

describe.each([
  ["word vectors", () => words()],
  ["an encoder", () => encoder().scorer],
] as const)("%s", (_, scorer) => {
  const ask = async (options: QZeroInput) => (await classified(scorer(), texts, options)).results;

  test("by categories alone, or by the text if none are found", async () => {
    expect(labelsOf(await ask({ mode: "replace", when: "always" }))).toEqual(["sports", "finance", "sports"]);
    const { results } = await classified(scorer(), { goal: [], market: [] }, { when: "always" });
    expect(results).toMatchObject([
      { label: "sports", retrieved: true, fallback: true },
      { label: "finance", retrieved: true, fallback: true },
    ]);
  });

  test("only texts between two labels are looked up", async () => {
    const results = await ask({ mode: "replace", margin: 0.05 });
    expect(results.map(({ label, retrieved }) => [label, retrieved])).toEqual([
      ["sports", true],
      ["sports", false],
      ["finance", false],
    ]);
    expect(results[1]!.explanation!.documents).toEqual([]);
  });

  test("a margin of 0 is the plain classifier, one above 2 looks every text up", async () => {
    const none = await ask({ margin: 0 });
    expect(none.some(({ retrieved }) => retrieved)).toBe(false);
    const { results: plain } = await classified(
      scorer(),
      { "goal market": [], goal: [], market: [] },
      { when: "always" },
    );
    expect(none.map(({ scores }) => scores)).toEqual(plain.map(({ scores }) => scores));
    const strip = (all: Awaited<ReturnType<typeof ask>>) => all.map(({ label, scores }) => ({ label, scores }));
    expect(strip(await ask({ margin: 2.1 }))).toEqual(strip(await ask({ when: "always" })));
  });

  test("interpolate is plain at alpha 0, and decides as the categories do at 1", async () => {
    const mixed = (alpha: number) => ask({ mode: "interpolate", when: "always", alpha });
    const plain = await ask({ margin: 0 });
    for (const [i, { scores }] of (await mixed(0)).entries())
      for (const [label, score] of Object.entries(scores)) expect(score).toBeCloseTo(plain[i]!.scores[label]!, 12);
    expect(labelsOf(await mixed(1))).toEqual(labelsOf(await ask({ mode: "replace", when: "always" })));
    const half = await mixed(0.5);
    expect(half[1]!.scores["sports"]).toBeCloseTo(0.5, 6);
  });

  test("a margin without when selects the texts to look up", async () => {
    expect((await ask({ margin: 0.05 })).map(({ retrieved }) => retrieved)).toEqual([true, false, false]);
    expect((await ask({ margin: 0.05, when: "always" })).every(({ retrieved }) => retrieved)).toBe(true);
  });

  test("the same call returns the same bytes", async () => {
    const [a, b] = [await ask({ when: "always" }), await ask({ when: "always" })];
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
  });
});

describe("an encoder reads", () => {
  const read = async (categories: readonly string[], options: QZeroInput) => {
    const { model, scorer } = encoder();
    const { results } = await classified(scorer, { "a text": categories }, { when: "always", ...options });
    return { read: model.read.slice(2), explanation: results[0]!.explanation! };
  };

  test("categories instead of the text or after it; without word vectors, the score has no parts", async () => {
    expect((await read(["goal", "team"], { mode: "replace" })).read).toEqual(["goal team"]);
    const { read: appended, explanation } = await read(["goal", "team", "goal"], { mode: "append" });
    expect(appended).toEqual(["a text goal team goal"]);
    expect(explanation.categories).toEqual([
      { name: "goal", count: 2 },
      { name: "team", count: 1 },
    ]);
  });

  test("at most maxTokens, and at most the model's limit; the explanation says how much", async () => {
    const many = Array.from({ length: 60 }, () => "goal team");
    const { read: cut, explanation } = await read(many, { mode: "append", maxTokens: 9 });
    expect(cut).toEqual(["a text goal team goal team goal team goal"]);
    expect(explanation.read).toEqual({ found: 60, categories: 3, tokens: { given: 122, read: 9 } });
    expect((await read(many, { mode: "append" })).explanation.read.tokens).toEqual({ given: 122, read: 20 });
  });

  test("the words of a label joined by spaces, and labels again only if they change", async () => {
    const { model, scorer } = encoder();
    const labelled = new KeptLabels(scorer);
    const ask = (labels: readonly string[]) =>
      classified(labelled, { x: ["goal"] }, { mode: "append", when: "always" }, { labels });
    await classified(labelled, { x: ["goal"] }, {}, { labels: { a: ["sports", "goal"], b: "finance" } });
    expect(model.read.slice(0, 2)).toEqual(["sports goal", "finance"]);
    await ask(["sports", "market"]);
    const before = model.read.length;
    await ask(["sports", "market"]);
    expect(model.read.slice(before)).toEqual(["x goal"]);
  });
});

describe("the receipt", () => {
  const cost = async (options: QZeroInput, prices = new LookupPrices()) =>
    (await classified(encoder().scorer, texts, { mode: "append", ...options }, { prices })).receipt;
  const SCORES = 2 * 2 * 2;

  test("always: dense is what ran, and the searches are overhead", async () => {
    const receipt = receiptSchema.parse(await cost({ mode: "replace", when: "always" }));
    // The cost of two labels, four category words, three scorings and three searches.
    const spent = 20 + 40 + 3 * SCORES + 3000;
    expect(receipt.flops).toMatchObject({ dense: spent, spent, overhead: 3000, saved: 0 });
    expect(receipt).toMatchObject({ estimated: false, work: { retrievals: { dense: 3, run: 3 } } });
  });

  test("margin: texts that were not looked up are billed at the mean of those that were", async () => {
    const { flops, work, estimated } = await cost({ mode: "replace" });
    const plain = 40 + 3 * SCORES;
    const lookup = 10 + SCORES + 1000;
    expect(flops.spent).toBe(20 + plain + lookup);
    expect(flops.dense).toBeCloseTo(20 + 3 * lookup, 9);
    expect(flops.overhead).toBeCloseTo(1000 + plain / 3, 9);
    expect(work).toMatchObject({ retrievals: { dense: 3, run: 1 } });
    expect(estimated).toBe(true);
  });

  test("before the first lookup nothing is saved", async () => {
    for (const mode of ["append", "interpolate"] as const)
      expect((await cost({ mode, margin: 0 })).flops.saved).toBe(0);
    const prices = new LookupPrices();
    await cost({ when: "always" }, prices);
    expect((await cost({ margin: 0 }, prices)).flops.saved).toBeGreaterThan(0.9);
  });

  test("the caller's documents are not billed as searched", async () => {
    const prices = new LookupPrices();
    await cost({ when: "always" }, prices);
    const source = { searched: false, find: async () => ({ documents: [] }) };
    const { receipt } = await classified(encoder().scorer, texts, { mode: "append", margin: 0 }, { prices, source });
    expect(receipt.flops.saved).toBe(0);
  });

  test("dense also reads a text plainly if its lookup found nothing", async () => {
    const { receipt } = await classified(encoder().scorer, { goal: [], "goal market": [] }, { when: "always" });
    expect(receipt.flops).toMatchObject({ saved: 0, overhead: 2000 });
  });
});

test("a ceiling applies to the whole call", async () => {
  const { scorer } = encoder();
  const seen: (number | undefined)[] = [];
  const spy: Scorer = {
    kind: scorer.kind,
    bind: scorer.bind.bind(scorer),
  };
  const source = {
    searched: true,
    find: async (_: number, __: unknown, { ceiling }: { ceiling?: { flops?: number | undefined } | undefined }) => {
      seen.push(ceiling?.flops);
      return { documents: [] };
    },
  };
  await classified(spy, texts, { mode: "append", when: "always" }, { ceiling: { flops: 500 }, source });
  // The costs exclude the labels' 20 FLOPs.
  expect(seen).toEqual([480, 480, 480]);
});

test("a stopped call reports its cost", async () => {
  const stop = new AbortController();
  const receipts: Receipt[] = [];
  const keys = Object.keys(texts);
  const all = found(keys, texts);
  const source = {
    ...all,
    find: (...args: Parameters<typeof all.find>) => {
      stop.abort();
      return all.find(...args);
    },
  };
  const terms = { signal: stop.signal, source, onStopped: (receipt: Receipt) => void receipts.push(receipt) };
  await expect(classified(encoder().scorer, texts, { mode: "append", when: "always" }, terms)).rejects.toThrow(
    /abort/i,
  );
  expect(receipts).toHaveLength(1);
  expect(receipts[0]!.flops).toMatchObject({ spent: 1020, dense: 1020 });
});

test.each([
  [["a", " "], "text 2 is empty, expected at least one word"],
  [[], "no texts given; expected at least one"],
])("texts %j are refused", async (all, sentence) => {
  const terms = {
    explain: false,
    prices: new LookupPrices(),
    named: { model: "m", recipe: [] },
    source: found([], {}),
  };
  const answer = classify(words(), all, parseLabels(["sports", "finance"]), {}, terms);
  await expect(answer).rejects.toThrow(sentence);
});
