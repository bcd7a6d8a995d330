/**
 * Writes the sections of the results of feather and yopo: `npx tsx research/visual-tokens/attributes/tables.ts [OUT]`. With the folder that `measure.ts`
 * wrote, its answers are copied first.
 */
import { existsSync } from "node:fs";
import { makeScenes } from "../../../src/lab/data/attributes/scene.ts";
import { markdownTable, writeSection } from "../../../tools/section.ts";
import { difference, percent, shareOf } from "../../common/shares.ts";
import { featherGates, yopoGates } from "./gates.ts";
import { type Asked, askedKinds, PICTURES, questionOf, SEED, SIDE } from "./measure.ts";
import { answersOf, collect, load, type Named, type Page, pageOf, pages, type Results } from "./results.ts";
import { savedOf } from "./saved.ts";
import { TIME_HEAD, timeOf } from "./times.ts";

/** Right answers of a kind, and the difference from another recipe's on the same pictures. */
const against = (one: Named, other: Named, kind: Asked): string => difference(one.right[kind], other.right[kind]).text;

function answersTable(page: Page, results: Results): string {
  const { answers } = results;
  const dense = answers.find(({ name }) => name === "dense")!;
  return markdownTable(
    [
      "recipe",
      "visual tokens by layer",
      "visual FLOPs saved",
      "all FLOPs saved",
      ...(page === "yopo" ? [TIME_HEAD] : []),
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
        percent(savedOf(page, one, results)),
        percent(1 - one.flops.spent / one.flops.dense),
        ...(page === "yopo" ? [timeOf("world", one.recipe)] : []),
        percent(shareOf(one.right.where)),
        one === dense ? "" : against(one, dense, "where"),
        ...(["whole", "read"] as const).map((kind) => percent(shareOf(one.right[kind]))),
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
        ...[0, 1, 2].map((part) => percent(shareOf([...right.where].filter((_, i) => third[i] === part).join("")))),
      ]),
  );
}

const biasTable = ({ bias }: Results): string =>
  markdownTable(
    ["after layer", "with rotary embedding", "without"],
    bias.map(({ after, rotary, none }) => [String(after), rotary.toFixed(3), none.toFixed(3)]),
  );

/** Comparisons that the method's claims are about: the first recipe minus the second, in points. */
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
    answersTable("feather", results),
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
    answersTable("yopo", results),
    pairsTable(results, [
      ["least active heads dropped", "most active heads dropped"],
      ["least active heads dropped", "random heads dropped"],
      ["least active deep heads dropped", "most active deep heads dropped"],
      ["least active deep heads dropped", "random deep heads dropped"],
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
