/**
 * Writes the sections of the results of feather and yopo: `npx tsx tools/attributes/tables.ts [OUT]`. With the folder that `measure.ts`
 * wrote, its answers are copied first.
 */
import { existsSync } from "node:fs";
import { makeScenes } from "../../src/lab/data/attributes/scene.ts";
import { pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { visualFlops } from "../../src/savings/attention/yopo/flops.ts";
import { yopoOptions } from "../../src/savings/attention/yopo/options.ts";
import { parseRecipe } from "../../src/savings/recipe.ts";
import { visualFlopsSaved } from "../../src/savings/tokens/feather/flops.ts";
import { markdownTable, writeSection } from "../section.ts";
import { featherGates, yopoGates } from "./gates.ts";
import { type Asked, askedKinds, PICTURES, questionOf, SEED, SIDE } from "./measure.ts";
import { answersOf, collect, load, type Named, type Page, pageOf, pages, type Results } from "./results.ts";
import { architecture } from "./vocabulary.ts";

const hits = (right: string): [number][] => [...right].map((digit) => [Number(digit)]);
const mean = (parts: readonly (readonly number[])[]): number =>
  parts.reduce((sum, [value]) => sum + value!, 0) / parts.length;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Right answers of a kind, and the difference from another recipe's on the same pictures. */
function against(one: Named, other: Named, kind: Asked): string {
  const { mean: delta, ci95 } = pairedDelta(hits(one.right[kind]), hits(other.right[kind]), mean, { seed: 1 });
  const points = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;
  return `${points(delta)} [${points(ci95[0])}, ${points(ci95[1])}]`;
}

const sizes = { hidden: architecture.hidden_size, intermediate: architecture.intermediate_size };
const VISUAL = SIDE * (SIDE + 1);

/** The share of visual FLOPs that a recipe of yopo saves, as its paper counts them. */
function yopoSaved({ recipe }: Named, { heads }: Results): number {
  const step = parseRecipe(recipe).find(({ saving }) => saving.name === "yopo");
  const options = yopoOptions.parse(step?.options ?? {});
  const file = options.heads?.replace(/.*\//, "");
  const share = (layer: number): number => {
    const kept = heads.kept[layer]!.filter(Boolean).length / heads.kept[layer]!.length;
    if (file === undefined) return 1;
    return file === "heads.json" ? kept : file === "most.json" ? 1 - kept : 0.5;
  };
  const count = { tokens: VISUAL, ...sizes };
  const all = Array.from({ length: architecture.num_hidden_layers }, (_, layer) => layer);
  const dense = visualFlops(count, { neighbours: VISUAL, heads: all.map(() => 1), ffn: 1 });
  const neighbours = options.radius === undefined ? VISUAL : (2 * options.radius + 1) ** 2;
  const run = all.slice(0, options.layers).map(share);
  return 1 - visualFlops(count, { neighbours, heads: run, ffn: options.ffn }) / dense;
}

function answersTable(results: Results, saved: (one: Named) => number): string {
  const { answers } = results;
  const dense = answers.find(({ name }) => name === "dense")!;
  return markdownTable(
    [
      "recipe",
      "visual tokens by layer",
      "visual FLOPs saved",
      "all FLOPs saved",
      "where",
      "against dense",
      "whole",
      "read",
    ],
    answers
      .toSorted((a, b) => Number(a.name !== "dense") - Number(b.name !== "dense") || a.name.localeCompare(b.name, "en"))
      .map((one) => [
        one.recipe.length > 0 ? one.recipe.map((step) => `\`${step}\``).join(" ") : one.name,
        one.tokens.map((count) => count.toFixed(0)).join(", "),
        percent(saved(one)),
        percent(1 - one.flops.spent / one.flops.dense),
        percent(mean(hits(one.right.where))),
        one === dense ? "" : against(one, dense, "where"),
        ...(["whole", "read"] as const).map((kind) => percent(mean(hits(one.right[kind])))),
      ]),
  );
}

/** Right answers to `where` by thirds of the picture, from the top. */
function rowsTable({ answers }: Results, names: readonly string[]): string {
  const scenes = makeScenes(SIDE, PICTURES, SEED);
  const third = scenes.map((scene, i) => Math.floor((3 * questionOf(scene, "where", i).row!) / SIDE));
  return markdownTable(
    ["recipe", "top third", "middle", "bottom third"],
    answers
      .filter(({ name }) => names.includes(name))
      .map(({ recipe, name, right }) => [
        recipe.length > 0 ? `\`${recipe.join(" ")}\`` : name,
        ...[0, 1, 2].map((part) => percent(mean(hits(right.where).filter((_, i) => third[i] === part)))),
      ]),
  );
}

const biasTable = ({ bias }: Results): string =>
  markdownTable(
    ["after layer", "with rotary embedding", "without"],
    bias.map(({ after, rotary, none }) => [String(after), rotary.toFixed(3), none.toFixed(3)]),
  );

/** Comparisons that the method's claims are about: the first recipe less the second, in points. */
function pairsTable({ answers }: Results, pairs: readonly (readonly [string, string])[]): string {
  const named = (name: string) => answers.find((one) => one.name === name);
  return markdownTable(
    ["recipe", "against", ...askedKinds],
    pairs.flatMap(([a, b]) => {
      const [one, other] = [named(a), named(b)];
      return one && other ? [[a, b, ...askedKinds.map((kind) => against(one, other, kind))]] : [];
    }),
  );
}

const featherPairs = [1, 2, 3].flatMap((after): (readonly [string, string])[] => [
  [`no rotary ${after}`, `fastv ${after}`],
  [`union, as many ${after}`, `no rotary ${after}`],
  [`union, as many ${after}`, `uniform ${after}`],
  [`fastv ${after}`, `random ${after}`],
]);

const featherSection = (results: Results): string =>
  [
    "### Claims",
    featherGates(results),
    "### The bias of the trained model",
    biasTable(results),
    "### Every recipe",
    answersTable(results, ({ tokens }) => visualFlopsSaved(VISUAL, tokens, sizes)),
    "### Pairs, in points",
    pairsTable(results, [
      ...featherPairs,
      ["two stages", "one stage"],
      ["feather 1, 3", "fastv 1"],
      ["feather 2, 3", "fastv 2, 90 %"],
    ]),
    "### Where the object is",
    rowsTable(results, [
      "dense",
      "fastv 1",
      "fastv 2",
      "no rotary 1",
      "no rotary 2",
      "union, as many 1",
      "union, as many 2",
    ]),
  ].join("\n\n");

const yopoSection = (results: Results): string =>
  [
    `Two halves of the calibration agree on ${percent(results.heads.agreement)} of the heads. Heads kept, by layer: ${results.heads.kept
      .map((row) => row.filter(Boolean).length)
      .join(", ")}.`,
    yopoGates(results),
    answersTable(results, (one) => yopoSaved(one, results)),
    pairsTable(results, [
      ["least active heads dropped", "most active heads dropped"],
      ["least active heads dropped", "random heads dropped"],
      ["radius 2", "radius 0"],
    ]),
  ].join("\n\n");

/** A page's section, from its committed answers. */
export const attributesSection = (page: Page): string =>
  page === "feather" ? featherSection(load(page)) : yopoSection(load(page));

export const SECTION = "attributes/tables";

if (process.argv[1] === import.meta.filename) {
  const [out] = process.argv.slice(2);
  for (const page of pages) {
    if (out) collect(out, page);
    if (existsSync(answersOf(page))) writeSection(pageOf(page), SECTION, attributesSection(page));
  }
}
