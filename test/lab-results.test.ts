import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { frontierSvg } from "../src/lab/report/plot/frontier-svg.ts";
import { sampleSummary } from "../src/lab/report/sample.testing.ts";
import type { Summary } from "../src/lab/results.ts";
import { committedRuns } from "../tools/committed-runs.ts";
import { cutSection, PAGE, SECTION } from "../tools/cut-results.ts";
import * as exits from "../tools/exit-results.ts";
import * as guard from "../tools/guard-results.ts";
import { detailSection, disagreements, labSection, sections } from "../tools/lab-results.ts";
import * as lyapunov from "../tools/lyapunov-results.ts";
import * as planner from "../tools/planner-results.ts";
import * as choice from "../tools/qzero-choice.ts";
import * as qzero from "../tools/qzero-real.ts";
import * as routes from "../tools/route-results.ts";
import { withSection } from "../tools/section.ts";
import * as sft from "../tools/sft-results.ts";
import * as sparse from "../tools/sparse-results.ts";
import * as heads from "../tools/train-heads-results.ts";
import * as ul2r from "../tools/ul2r-results.ts";
import * as quality from "../tools/xattention-quality.ts";
import { xattentionTables } from "../tools/xattention-tables.ts";

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
const marks = "<!-- lab-results: written by tools/lab-results.ts -->\n<!-- /lab-results -->\n";

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
  for (const { summary } of committedRuns("docs/results"))
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
  expect(disagreements(pages, runs, folder)).toEqual(["page.md does not say what docs/results says"]);
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

test("the pages say what docs/results says: npx tsx tools/lab-results.ts", () => {
  const committed = committedRuns("docs/results/xattention");
  expect(disagreements(sections(committed), committed)).toEqual([]);
});

test("the page of exits and pruned prompts says what its runs say: npx tsx tools/cut-results.ts", () => {
  const page = [PAGE, SECTION, cutSection()] as const;
  expect(disagreements([page], committedRuns("docs/results/cuts"))).toEqual([]);
});

test("the page of xattention says what its likelihoods and needles say: npx tsx tools/xattention-quality.ts", () => {
  expect(disagreements([[quality.PAGE, quality.SECTION, quality.qualityTable()]], [])).toEqual([]);
});

test("no recipe of the results' tables is without its run", () => {
  const tables = xattentionTables(committedRuns("docs/results/xattention"));
  expect(tables.split("\n").filter((line) => line.includes("—"))).toEqual([]);
});

test("the page of routes says what their results say: npx tsx tools/route-results.ts", () => {
  expect(disagreements([[routes.PAGE, routes.SECTION, routes.routeSection()]], [])).toEqual([]);
});

test("the page of the planner says what its result says: npx tsx tools/planner-results.ts", () => {
  expect(disagreements([[planner.PAGE, planner.SECTION, planner.section()]], [])).toEqual([]);
});

test("the page of QZero on real texts says what its runs say: npx tsx tools/qzero-real.ts", () => {
  expect(disagreements([[qzero.PAGE, qzero.SECTION, qzero.realSection(qzero.realRuns())]], [])).toEqual([]);
});

test("the page of QZero's defaults says what its runs say: npx tsx tools/qzero-choice.ts", () => {
  expect(disagreements([[choice.PAGE, choice.SECTION, choice.choiceSection()]], [])).toEqual([]);
});

test("the page of exits says what its runs and artefacts say: npx tsx tools/exit-results.ts", () => {
  const page = [exits.PAGE, exits.SECTION, exits.exitSection()] as const;
  expect(disagreements([page], committedRuns("docs/results/exits"))).toEqual([]);
});

test("the page of the guard says what its seeds say: npx tsx tools/guard-results.ts", () => {
  expect(disagreements([[guard.PAGE, guard.SECTION, guard.guardSection()]], [])).toEqual([]);
});

test("the page of stability says what its files say: npx tsx tools/lyapunov-results.ts", () => {
  expect(disagreements([[lyapunov.PAGE, lyapunov.SECTION, lyapunov.lyapunovSection()]], [])).toEqual([]);
});

test("the page of ul2r says what its results say: npx tsx tools/ul2r-results.ts", () => {
  expect(disagreements([[ul2r.PAGE, ul2r.SECTION, ul2r.ul2rSection()]], [])).toEqual([]);
});

test("the page of fine-tuning says what its results say: npx tsx tools/sft-results.ts", () => {
  expect(disagreements([[sft.PAGE, sft.SECTION, sft.sftSection()]], [])).toEqual([]);
});

test("the results of sparse training are what its committed runs say: npx tsx tools/sparse-results.ts", () => {
  expect(disagreements([[sparse.PAGE, sparse.SECTION, sparse.sparseSection()]], [])).toEqual([]);
});

test("the page of encoders' heads says what its results say: npx tsx tools/train-heads-results.ts", () => {
  expect(disagreements([[heads.PAGE, heads.SECTION, heads.trainHeadsTable()]], [])).toEqual([]);
});
