import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Answer, Item } from "../item.ts";
import type { Result, Summary } from "../results.ts";
import { differences } from "./differences.ts";
import { writeReport } from "./index.ts";
import { answerView, question } from "./page/answers.ts";
import { page } from "./page/page.ts";
import { verdict } from "./page/verdict.ts";
import { frontierSvg, wrapped } from "./plot/frontier-svg.ts";
import { pointsOf } from "./plot/points.ts";
import { sampleReport, sampleSummary } from "./sample.testing.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a run's folder gets its page and its plot, each atomically", async () => {
  await writeReport(folder, sampleReport());
  expect(readdirSync(folder).sort()).toEqual(["frontier.svg", "report.html"]);
  expect(readFileSync(join(folder, "report.html"), "utf8")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
});

describe("the page", () => {
  const report = sampleReport();
  const text = page(report);

  test("has every recipe's numbers, the command, the machine and the versions", () => {
    for (const { recipe } of report.summary.recipes)
      expect(text.replaceAll("<wbr>", "")).toContain(`<code>${recipe}</code>`);
    for (const part of [
      "s where all items are alike",
      "0.712",
      "[0.682, 0.742]",
      "−18.0 %",
      "lab run --model",
      "Sample processor",
      "node 20.20.2",
    ])
      expect(text).toContain(part);
  });

  test("reports the form of the weights and the selection of items, as far as the summary does", () => {
    const withOptions = { ...report.summary, quant: "q8", limit: 40, truncate: "left", rows: 4 };
    expect(page({ ...report, summary: withOptions })).toContain(
      "<dd>q8</dd>\n<dt>items</dt><dd>the first 40, seed 0, prompts longer than the context are cut: left, 4 generated together</dd>",
    );
    expect(text).toContain("<dd>not recorded</dd>\n<dt>items</dt><dd>seed 0</dd>");
  });

  test("escapes texts from models and users", () => {
    expect(text).not.toContain("<script");
    expect(text).toContain("&lt;script&gt;fail(0)&lt;/script&gt;");
    expect(text).toContain("&lt;b&gt;Which&lt;/b&gt; &amp; &quot;what&quot;?");
    expect(text).toContain("needle &lt;4k&gt;");
  });

  test("shows the worst five items of a recipe and counts the rest", () => {
    expect(text).toContain("the worst 5 of 14 items");
    expect(text).toContain("characters left out");
  });

  test("says that there is nothing to compare if only dense was run", () => {
    expect(page(sampleReport(1))).toContain("Only dense was run");
  });
});

describe("what the run says", () => {
  const textOf = (recipes: number) => {
    const summary = sampleSummary(recipes);
    return verdict(summary, pointsOf(summary)).text.replaceAll(/<[^>]*>/g, "");
  };

  test("names the recipe that saves the most and is proven to lose little, and the one that saves the most of all", () => {
    expect(textOf(13)).toContain(
      "xattention:threshold=0.8,stride=16,minLengthForSparse=2048 saves the most: 25.2 % of FLOPs",
    );
    expect(textOf(13)).toContain("as bad as −0.030 cannot be excluded");
    expect(textOf(13)).toContain(
      "exit:layer=20,confidence=0.95 saves the most of all: 33.0 %, contains-answer 0.410, −0.302",
    );
  });

  /** A report of two recipes besides dense: each one's quality, the lower end of its interval, and its share saved. */
  const ofTwo = (items: number, dense: number, ...two: readonly (readonly [number, number, number])[]) => {
    const [base, ...others] = sampleSummary(3).recipes;
    const recipes = others.map((recipe, i) => {
      const [quality, low, saved] = two[i]!;
      return { ...recipe, quality, delta: { mean: quality - dense, ci95: [low, 0.5] as const }, flops_saved: saved };
    });
    const summary = { ...sampleSummary(3), items, recipes: [{ ...base!, quality: dense }, ...recipes] } as Summary;
    return verdict(summary, pointsOf(summary)).text.replaceAll(/<[^>]*>/g, "");
  };

  test("never recommends a recipe that loses much, however wide its interval; few items are too few", () => {
    const few = ofTwo(4, 0.5, [0, -1, 0.6], [0.75, -0.25, 0.2]);
    expect(few).toContain("Too few items to tell (4).");
    expect(few).toContain("threshold=0.9,stride=8,minLengthForSparse=2048 saves the most: 20.0 %");
    expect(few).toContain("as bad as −0.250 cannot be excluded");
    expect(ofTwo(9, 0.5, [0.5, 0, 0.6], [0.5, 0, 0.2])).toContain("Too few items to tell (9).");
    expect(ofTwo(40, 0.5, [0.5, -0.03, 0.6], [0.5, -0.02, 0.2])).toMatch(
      /^Of the recipes proven to lose no more than 5.0 % of dense's quality on 40 items, .*saves the most: 20.0 %/,
    );
    expect(ofTwo(40, 0.5, [0.4, -0.2, 0.6], [0.45, -0.1, 0.2])).toMatch(
      /^Every recipe that saves FLOPs loses more than 5.0 %/,
    );
  });

  test("says so when nothing saves", () => {
    expect(textOf(1)).toBe("No recipe of this run saves FLOPs.");
  });
});

describe("differences", () => {
  const result = (item: string, part: number[]): Result => ({
    ...{ item, recipe: "x", answer: null, parts: { perplexity: part }, flops: { dense: 1, spent: 1 }, ms: 1 },
  });

  test("for a metric where less is better, more is a loss; items of one side only never count", () => {
    const before = [result("a", [10, 5]), result("b", [10, 5]), result("c", [10, 5]), result("d", [1, 1])];
    const after = [result("a", [12, 5]), result("b", [15, 5]), result("c", [9, 5]), result("e", [1, 1])];
    const changes = differences({ name: "perplexity", better: "lower" }, before, after);
    expect([changes.better, changes.same, changes.worse]).toEqual([1, 0, 2]);
    expect(changes.losses.map(({ item }) => item)).toEqual(["b", "a"]);
    expect(changes.losses[0]!.gain).toBeCloseTo(Math.exp(2) - Math.exp(3), 9);
  });
});

describe("answers side by side", () => {
  const likelihood = (logLikelihood: number) => ({ logLikelihood, greedy: false, tokens: 2 });
  const view = (item: Item, answer: Answer) => answerView(item, answer as never, answer as never).text;

  test("of every kind", () => {
    const choices = [" one", " <two>"].map((continuation) => ({ context: "How many?", continuation }));
    const choice: Item = { kind: "choice", id: "0", choices, gold: 1 };
    expect(question(choice).text).toContain("How many?");
    expect(view(choice, { likelihoods: [likelihood(-3), likelihood(-2)] })).toBe(
      "<ul><li>one: −3.000, −1.000 per character</li>" +
        "<li>&lt;two&gt;: −2.000, −0.400 per character <strong>likeliest, likeliest per character, right</strong></li></ul>",
    );
    const contexts = ["It is the cup", "It is the <jug>"].map((context) => ({ context, continuation: " that leaks." }));
    const winogrande: Item = { kind: "choice", id: "0", choices: contexts, gold: 0 };
    expect(question(winogrande).text).toBe("<pre>… that leaks.</pre><p>Right: <q>It is the cup</q></p>");
    expect(view(winogrande, { likelihoods: [likelihood(-3), likelihood(-2)] })).toContain("It is the &lt;jug&gt;: −2");
    const continuation: Item = { kind: "continuation", id: "0", context: "a", continuation: " b" };
    expect(question(continuation).text).toContain("<q>b</q>");
    expect(view(continuation, likelihood(-3))).toContain(
      "−3.000 nats, −1.500 per token; greedy decoding gives another",
    );
    expect(view({ kind: "text", id: "0", text: "words" }, likelihood(-4))).toContain("−4.000 nats");
    const label: Item = { kind: "label", id: "0", text: "?", labels: ["a", "b", "c"], gold: 2 };
    expect(view(label, { scores: [0.1, 0.7, 0.2] })).toMatch(
      /b: 0.700 <strong>chosen<.*c: 0.200 <strong>right<.*a: 0.100/,
    );
    const documents = [{ id: "d1", text: "first" }];
    const ranking: Item = { kind: "ranking", id: "0", query: "?", documents, relevance: { d1: 2 } };
    expect(view(ranking, { order: ["d1"] })).toContain("d1, grade 2: first");
  });

  test("marks where a text diverges from the other, by whole words, and says if it does not", () => {
    const item: Item = { ...{ kind: "generation", id: "0", prompt: "?", stop: [], maxTokens: 1 }, answers: ["x"] };
    const pair = (text: string, other: string) => answerView(item, { text }, { text: other }).text;
    expect(pair("the answer is 12", "the answer is 13")).toBe("<pre>the answer is <mark>12</mark></pre>");
    expect(pair("same", "same")).toBe("<pre>same</pre>");
    expect(pair("", "same")).toBe("<pre><em>nothing</em></pre>");
  });
});

describe("the plot as a file", () => {
  test("is XML with a title, a description of every point, and all names in full", () => {
    const svg = frontierSvg(sampleSummary());
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).toContain("contains-answer by compute saved: needle &lt;4k&gt; with smollm2");
    expect(svg).toContain("random:density=0.5,seed=1: 0.550 [0.510, 0.590], 24.0 % of FLOPs saved;");
    expect(svg).toContain("perHeadProfile=profiles/smollm2-2k.json");
  });

  test("has a grid line at every number of its axes, and nowhere else", () => {
    // If all recipes save about the same, few ticks are set: the plotting library would set more.
    const summary = sampleSummary(3);
    const near = summary.recipes.map((recipe, i) => ({ ...recipe, flops_saved: 0.06 * i, ci95: [0.51, 1] as const }));
    const svg = frontierSvg({ ...summary, recipes: near } as Summary);
    for (const axis of ["x", "y"]) {
      const [grid, labels] = [`${axis}-grid`, `${axis}-axis tick label`].map(
        (name) => new RegExp(`aria-label="${name}">(.*?)</g>`).exec(svg)![1]!,
      );
      expect(grid!.match(/<line/g)).toHaveLength(labels!.match(/<text/g)!.length);
    }
  });

  test("long names break after a mark, or anywhere if there is none", () => {
    expect(wrapped("a:b=1,c=2 d", 7)).toEqual(["a:b=1,", "c=2 d"]);
    expect(wrapped("aaaaaaaaaa", 4)).toEqual(["aaaa", "aaaa", "aa"]);
  });
});
