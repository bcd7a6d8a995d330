import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { frontierSvg } from "../src/lab/report/plot/frontier-svg.ts";
import { sampleSummary } from "../src/lab/report/sample.testing.ts";
import type { Summary } from "../src/lab/results.ts";
import { withSection } from "../tools/section.ts";
import { committedRuns } from "./common/committed-runs.ts";
import { detailSection, disagreements } from "./common/lab-page.ts";
import { cutSection, PAGE, SECTION } from "./exits/cuts/page.ts";
import * as exits from "./exits/page.ts";
import * as freeze from "./freeze/page.ts";
import * as guard from "./guard/page.ts";
import * as lyapunov from "./lyapunov/page.ts";
import * as planner from "./planner/page.ts";
import * as choice from "./qzero/choice-page.ts";
import * as qzero from "./qzero/real-page.ts";
import * as routes from "./route/page.ts";
import * as sft from "./sft/page.ts";
import * as sparse from "./sparse/page.ts";
import * as heads from "./train-heads/page.ts";
import * as ul2r from "./ul2r/page.ts";
import { labSection, sections } from "./xattention/page.ts";
import * as quality from "./xattention/quality-page.ts";
import { xattentionTables } from "./xattention/tables.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-readme-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** A summary whose picked recipe is shown to lose little. */
const shown = (summary: Summary): Summary => ({
  ...summary,
  recipes: summary.recipes.map((recipe) =>
    recipe.recipe === PICKED ? { ...recipe, delta: { mean: -0.01, ci95: [-0.012, -0.008] } } : recipe,
  ),
});
const PICKED = "xattention:threshold=0.8,stride=16,minLengthForSparse=2048";
const marks = "<!-- lab-results: written by research/common/lab-page.ts -->\n<!-- /lab-results -->\n";

for (const [name, recipes] of [
  ["b-needle", 13],
  ["a-needle", 3],
] as const) {
  mkdirSync(join(folder, "results", name), { recursive: true });
  writeFileSync(join(folder, "results", name, "summary.json"), JSON.stringify(shown(sampleSummary(recipes))));
  writeFileSync(join(folder, "results", name, "frontier.svg"), frontierSvg(shown(sampleSummary(recipes))));
}
const runs = committedRuns("results", folder);

test("committed results name no place of the machine that made them", () => {
  for (const { summary } of committedRuns("research"))
    for (const { steps = [] } of summary.recipes) expect(steps.filter((step) => step.includes("=/"))).toEqual([]);
});

test("a row a run", () => {
  expect(labSection(runs)).toContain(
    "| [needle <4k> with smollm2](../results/b-needle/summary.json) | 40 | contains-answer | 0.712 | " +
      `\`${PICKED}\` | 25.2 % | −0.010 [−0.012, −0.008] |`,
  );
  // Another run has no recipe whose whole interval is within the bound.
  expect(labSection(runs)).toContain("a-needle/summary.json) | 40 | contains-answer | 0.712 | dense |  |  |");
});

test("every recipe of every run, with its command", () => {
  const section = detailSection(runs);
  expect(section.split("\n").filter((line) => line.startsWith("### "))).toHaveLength(2);
  expect(section).toContain("| `dense` | 0.712 [0.682, 0.742] |  | 0.0 % | yes |");
  for (const { summary } of runs) expect(section).toContain(summary.command);
});

test("agrees with what it wrote, and names what was changed by hand", () => {
  const page = (content: string) => writeFileSync(join(folder, "page.md"), withSection(marks, "lab-results", content));
  const pages = [["page.md", "lab-results", labSection(runs)]] as const;
  page(labSection(runs));
  expect(disagreements(pages, runs, folder)).toEqual([]);
  page(labSection(runs).replace("0.712", "0.912"));
  expect(disagreements(pages, runs, folder)).toEqual(["page.md does not say what its runs say"]);
  page(labSection(runs));
  writeFileSync(join(folder, "results", "a-needle", "frontier.svg"), "<svg/>");
  expect(disagreements(pages, runs, folder)).toEqual([
    "results/a-needle/frontier.svg is not what its summary.json makes",
  ]);
});

test("says so where no run is committed, and refuses what is no summary", () => {
  expect(labSection(committedRuns("nowhere", folder))).toBe("No run has been committed yet.");
  mkdirSync(join(folder, "odd"));
  writeFileSync(join(folder, "odd", "summary.json"), "{}");
  expect(() => committedRuns("odd", folder)).toThrow(/odd.*is no summary of a lab run/);
});

test("the page of xattention and the benchmarks say what their runs say: npx tsx research/xattention/page.ts", () => {
  const committed = committedRuns("research/xattention/results");
  expect(disagreements(sections(committed), committed)).toEqual([]);
});

test("the page of exits and pruned prompts says what its runs say: npx tsx research/exits/cuts/page.ts", () => {
  const page = [PAGE, SECTION, cutSection()] as const;
  expect(disagreements([page], committedRuns("research/exits/cuts"))).toEqual([]);
});

test("the page of xattention says what its likelihoods and needles say: npx tsx research/xattention/quality-page.ts", () => {
  expect(disagreements([[quality.PAGE, quality.SECTION, quality.qualityTable()]], [])).toEqual([]);
});

test("no recipe of the results' tables is without its run", () => {
  const tables = xattentionTables(committedRuns("research/xattention/results"));
  expect(tables.split("\n").filter((line) => line.includes("—"))).toEqual([]);
});

test("the page of routes says what their results say: npx tsx research/route/page.ts", () => {
  expect(disagreements([[routes.PAGE, routes.SECTION, routes.routeSection()]], [])).toEqual([]);
});

test("the page of the planner says what its result says: npx tsx research/planner/page.ts", () => {
  expect(disagreements([[planner.PAGE, planner.SECTION, planner.section()]], [])).toEqual([]);
});

test("the page of QZero on real texts says what its runs say: npx tsx research/qzero/real-page.ts", () => {
  expect(disagreements([[qzero.PAGE, qzero.SECTION, qzero.realSection(qzero.realRuns())]], [])).toEqual([]);
});

test("the page of QZero's defaults says what its runs say: npx tsx research/qzero/choice-page.ts", () => {
  expect(disagreements([[choice.PAGE, choice.SECTION, choice.choiceSection()]], [])).toEqual([]);
});

test("the page of exits says what its runs and artefacts say: npx tsx research/exits/page.ts", () => {
  const page = [exits.PAGE, exits.SECTION, exits.exitSection()] as const;
  expect(disagreements([page], committedRuns("research/exits/results"))).toEqual([]);
});

test("the page of the guard says what its seeds say: npx tsx research/guard/page.ts", () => {
  expect(disagreements([[guard.PAGE, guard.SECTION, guard.guardSection()]], [])).toEqual([]);
});

test("the page of stability says what its files say: npx tsx research/lyapunov/page.ts", () => {
  expect(disagreements([[lyapunov.PAGE, lyapunov.SECTION, lyapunov.lyapunovSection()]], [])).toEqual([]);
});

test("the page of ul2r says what its results say: npx tsx research/ul2r/page.ts", () => {
  expect(disagreements([[ul2r.PAGE, ul2r.SECTION, ul2r.ul2rSection()]], [])).toEqual([]);
});

test("the page of fine-tuning says what its results say: npx tsx research/sft/page.ts", () => {
  expect(disagreements([[sft.PAGE, sft.SECTION, sft.sftSection()]], [])).toEqual([]);
});

test("the page of freeze auto says what its results say: npx tsx research/freeze/page.ts", () => {
  const tables: [string, string][] = [
    [freeze.SECTION, freeze.freezeTable()],
    [freeze.TIME_SECTION, freeze.timeTable()],
  ];
  for (const [section, table] of tables) expect(disagreements([[freeze.PAGE, section, table]], [])).toEqual([]);
});

test("the results of sparse training are what its committed runs say: npx tsx research/sparse/page.ts", () => {
  expect(disagreements([[sparse.PAGE, sparse.SECTION, sparse.sparseSection()]], [])).toEqual([]);
});

test("the page of encoders' heads says what its results say: npx tsx research/train-heads/page.ts", () => {
  expect(disagreements([[heads.PAGE, heads.SECTION, heads.trainHeadsTable()]], [])).toEqual([]);
});
