import type { Item } from "../item.ts";
import type { RecipeSummary, Result, Summary } from "../results.ts";
import type { Report } from "./index.ts";

/**
 * A synthetic run for tests: recipe, quality, half the width of its interval, FLOPs saved. Points are close, names are
 * long, and one recipe costs more than dense.
 */
const rows: readonly [string, number, number, number][] = [
  ["dense", 0.712, 0.03, 0],
  ["xattention:threshold=0.95,stride=8,minLengthForSparse=2048", 0.711, 0.03, 0.121],
  ["xattention:threshold=0.9,stride=8,minLengthForSparse=2048", 0.709, 0.031, 0.182],
  ["xattention:threshold=0.85,stride=8,minLengthForSparse=2048", 0.705, 0.031, 0.231],
  ["xattention:threshold=0.8,stride=8,minLengthForSparse=2048", 0.701, 0.032, 0.244],
  ["xattention:threshold=0.9,stride=16,minLengthForSparse=2048", 0.706, 0.03, 0.19],
  ["xattention:threshold=0.8,stride=16,minLengthForSparse=2048", 0.699, 0.033, 0.252],
  ["diagonal:density=0.5", 0.702, 0.03, 0.238],
  ["random:density=0.5,seed=1", 0.55, 0.04, 0.24],
  ["mean-pool:density=0.5", 0.69, 0.035, 0.236],
  [
    "tri-shape:sink=128,window=1024,last=64,minLengthForSparse=2048 xattention:threshold=0.9,stride=16,perHeadProfile=profiles/smollm2-2k.json",
    ...([0.688, 0.035, 0.247] as const),
  ],
  ["exit:layer=20,confidence=0.95", 0.41, 0.15, 0.33],
  ["retrieval:index=all,top=200", 0.715, 0.03, -0.18],
];

const beaten = new Set(["random:density=0.5,seed=1", "mean-pool:density=0.5", rows[10]![0]]);

const recipeOf = ([recipe, quality, half, saved]: (typeof rows)[number]): RecipeSummary => ({
  ...{ recipe, quality, ci95: [quality - half, quality + half], flops_saved: saved, ms_per_item: 1500 },
  delta: {
    mean: quality - 0.712,
    ci95: recipe === "dense" ? [0, 0] : [quality - 0.712 - half / 2, quality - 0.712 + half / 2],
  },
  on_frontier: !beaten.has(recipe),
  others: { agreement: { quality: 0.9, ci95: [0.8, 1] } },
});

export const sampleSummary = (recipes = rows.length): Summary => ({
  ...{ task: "needle <4k>", metric: { name: "contains-answer", better: "higher" }, model: "smollm2" },
  ...{ model_hash: "b179c952".repeat(8), seed: 0, items: 40, too_long: 3 },
  recipes: rows.slice(0, recipes).map(recipeOf),
  command: "npx modicum lab run --model smollm2 --task needle --limit 40 --out runs/needle",
  ...{ machine: "Sample processor, 2 threads, linux-x64", versions: { modicum: "0.1.0", node: "20.20.2" } },
  created: "2026-11-24T22:00:00.000Z",
});

/** Every recipe except dense loses every third item; every sixth of these items has text with mark-up. */
export function sampleReport(recipes = rows.length): Report {
  const summary = sampleSummary(recipes);
  const ids = Array.from({ length: summary.items }, (_, i) => `n${i}`);
  const items = ids.map((id, i): [string, Item] => [
    id,
    {
      ...{ id, kind: "generation", stop: [], maxTokens: 8 },
      prompt: `<b>Which</b> & "what"? ${"word ".repeat(60 * i)}`,
      answers: [`${i}`],
    },
  ]);
  return {
    summary,
    results: summary.recipes.flatMap(({ recipe }) => ids.map((_, i) => resultOf(recipe, i))),
    items: new Map(items),
  };
}

function resultOf(recipe: string, i: number): Result {
  const right = recipe === "dense" || i % 3 !== 0;
  const wrong = i % 6 === 0 ? `<script>fail(${i})</script>` : "";
  return {
    ...{
      item: `n${i}`,
      recipe,
      answer: { text: right ? `It is ${i}.` : wrong },
      parts: { "contains-answer": [right ? 1 : 0] },
    },
    ...{ flops: { dense: 2e12, spent: 1.5e12, overhead: 1e11 }, ms: 1500 },
  };
}
