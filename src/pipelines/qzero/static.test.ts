import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { classified } from "./classify.testing.ts";
import { StaticScorer } from "./static.ts";
import { smallVectors } from "./vectors.testing.ts";

const scorer = new StaticScorer("small", smallVectors());
const always = { when: "always", mode: "replace" } as const;
const one = async (categories: readonly string[], options = {}, terms = {}) =>
  (await classified(scorer, { x: categories }, { ...always, ...options }, terms)).results[0]!;

const worked = ["goal", "goal", "goal", "team", "team", "market"];

describe("the worked example", () => {
  test("S(sports) = 3 + 2 · 0.6 = 4.2, S(finance) = 2 · 0.8 + 1 = 2.6", async () => {
    const { label, scores } = await one(worked);
    expect(label).toBe("sports");
    expect(scores["sports"]).toBeCloseTo(4.2, 6);
    expect(scores["finance"]).toBeCloseTo(2.6, 6);
  });

  test("without counts it would be the other label: 1.6 and 1.8", async () => {
    const { label, scores } = await one(["goal", "team", "market"]);
    expect(label).toBe("finance");
    expect([scores["sports"], scores["finance"]]).toEqual([expect.closeTo(1.6, 6), expect.closeTo(1.8, 6)]);
  });

  test("of a label's words the best counts, not their mean", async () => {
    const { scores } = await one(worked, {}, { labels: { sports: ["odd", "sports"], finance: "finance" } });
    expect(scores["sports"]).toBeCloseTo(4.2, 6);
  });
});

/** Words for the vectors, w and two letters, since `content` does not count digits. */
const letters = (i: number): string => `w${String.fromCharCode(97 + Math.floor(i / 26), 97 + (i % 26))}`;
function randomVectors(count: number, seed: number) {
  const random = seededRandom(seed);
  const rows = Array.from({ length: count }, () => Array.from({ length: 16 }, () => random() - 0.5));
  return Object.fromEntries(rows.map((row, i) => [letters(i), row]));
}

test("a score is the inner product with the sum of counted unit vectors: both ways agree to 1e-6", async () => {
  const random = randomVectors(60, 5);
  const big = new StaticScorer("big", smallVectors(random));
  const categories = Array.from({ length: 200 }, (_, i) => letters((i * i) % 50));
  const labels = [letters(50), letters(51), letters(52)];
  const { results } = await classified(big, { x: categories }, { ...always, keywords: "content" }, { labels });
  const sum = Array<number>(16).fill(0);
  for (const category of categories) for (const [i, x] of unit(random[category]!).entries()) sum[i]! += x;
  for (const label of labels) {
    const expected = unit(random[label]!).reduce((total, x, i) => total + x * sum[i]!, 0);
    expect(results[0]!.scores[label]).toBeCloseTo(expected, 5);
  }
});

const unit = (vector: readonly number[]): number[] => {
  const single = Float32Array.from(vector);
  return [...single].map((x) => x / Math.hypot(...single));
};

test("every category twice changes no decision; one label's ten times does", async () => {
  const categories = ["goal", "team", "market"];
  const [once, twice] = [await one(categories), await one([...categories, ...categories])];
  expect(twice.label).toBe(once.label);
  expect(twice.scores["finance"]).toBeCloseTo(2 * once.scores["finance"]!, 6);
  expect((await one([...categories, ...Array<string>(9).fill("goal")])).label).toBe("sports");
});

describe("an explanation", () => {
  test("has each category's count and part of the score, the greatest first; the parts are the score", async () => {
    const { scores, explanation } = await one(worked);
    expect(explanation!.categories).toEqual([
      { name: "goal", count: 3, contribution: expect.closeTo(3, 6) },
      { name: "team", count: 2, contribution: expect.closeTo(1.2, 6) },
      { name: "market", count: 1, contribution: expect.closeTo(0, 6) },
    ]);
    expect(explanation!.keywords.map(({ name }) => name)).toEqual(["goal", "team", "market"]);
    const sum = explanation!.categories.reduce((total, { contribution }) => total + contribution!, 0);
    expect(sum).toBeCloseTo(scores["sports"]!, 12);
  });

  test.each(["replace", "append"] as const)(
    "%s: without its first category, a score falls by that part",
    async (mode) => {
      const text = "a team";
      const ask = async (categories: readonly string[]) =>
        (await classified(scorer, { [text]: categories }, { when: "always", mode })).results[0]!;
      const whole = await ask(worked);
      const [top] = whole.explanation!.categories;
      const rest = await ask(worked.filter((category) => category !== top!.name));
      const label = whole.label!;
      expect(whole.scores[label]! - rest.scores[label]!).toBeCloseTo(top!.contribution!, 12);
    },
  );
});

test("nouns, or all words but stop words", async () => {
  const vectors = smallVectors({ run: [0, 1], runs: [0, 1], goal: [1, 0], sports: [1, 0], finance: [0, 1] });
  const words = new StaticScorer("words", vectors);
  const terms = async (keywords: "nouns" | "content") =>
    (await classified(words, { x: ["He runs to a goal"] }, { ...always, keywords })).results[0]!.explanation!.keywords;
  expect((await terms("nouns")).map(({ name }) => name)).toEqual(["goal"]);
  expect((await terms("content")).map(({ name }) => name).sort()).toEqual(["goal", "runs"]);
});

test("unknown words count for nothing, and a text without known words has no label", async () => {
  const { results } = await classified(scorer, { goal: [], zzz: [], qqq: ["ppp"] }, always);
  expect(results.map(({ label, fallback }) => [label, fallback])).toEqual([
    ["sports", true],
    [null, true],
    [null, true],
  ]);
  expect(results[1]!.scores).toEqual({ sports: 0, finance: 0 });
});

test("a label without a known word is refused", async () => {
  await expect(one(worked, {}, { labels: ["sports", "qqq"] })).rejects.toThrow(
    'small knows no word of the label "qqq"; use other words',
  );
});

test("equal labels: the first wins", async () => {
  const even = smallVectors({ middle: [1, 1], sports: [1, 0], finance: [0, 1] });
  for (const labels of [
    ["sports", "finance"],
    ["finance", "sports"],
  ]) {
    const { results } = await classified(new StaticScorer("even", even), { x: ["middle"] }, always, { labels });
    expect(results[0]!.label).toBe(labels[0]);
  }
});
