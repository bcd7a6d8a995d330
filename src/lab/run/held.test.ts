import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { sampleReport } from "../report/sample.testing.ts";
import { runRows } from "../report/tables.ts";
import { findRuns, readRun, requireRun } from "./held.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-held-"));
afterAll(() => rmSync(root, { recursive: true }));

const identity = {
  ...{ task: "t", model: "m", model_hash: "0", quant: "f32", seed: 0, limit: null, truncate: null },
  ...{ items: 40, items_hash: "0" },
};

/** A run's folder, finished or unfinished. */
function runFolder(name: string, finished: boolean): string {
  const folder = path.join(root, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "run.json"), JSON.stringify(identity));
  const { summary, results } = sampleReport(2);
  writeFileSync(path.join(folder, "results.jsonl"), results.map((result) => `${JSON.stringify(result)}\n`).join(""));
  if (finished) writeFileSync(path.join(folder, "summary.json"), JSON.stringify(summary));
  return folder;
}

test("runs are found in subfolders, finished or not, in the order of their paths", async () => {
  const folders = [
    runFolder("b", true),
    runFolder("a/t@m", true),
    runFolder("a/u@m", false),
    runFolder(".hidden", true),
  ];
  const runs = await findRuns(root);
  expect(runs.map(({ folder }) => folder)).toEqual([folders[1], folders[2], folders[0]]);
  expect(runs.map(({ summary }) => summary?.items)).toEqual([40, undefined, 40]);
  expect((await findRuns(folders[0]!)).map(({ folder }) => folder)).toEqual([folders[0]]);
});

test("a broken summary hides no other run, nor does a run hide those below it; a path that is not a folder is reported", async () => {
  const grid = runFolder("grid", true);
  const [good, broken] = [runFolder("grid/good@m", true), runFolder("grid/broken@m", true)];
  writeFileSync(path.join(broken, "summary.json"), "{");
  const runs = await findRuns(grid);
  expect(runs.map(({ folder }) => folder)).toEqual([grid, broken, good]);
  expect(runs.map(({ fault }) => fault)).toEqual([undefined, expect.stringContaining("broken@m"), undefined]);
  expect(runRows(runs).map((row) => row[1])).toEqual(["TASK", "needle <4k>", "cannot be read", "needle <4k>"]);
  await expect(findRuns(path.join(good, "run.json"))).rejects.toThrow(/run\.json is a file, expected a folder/);
  await expect(findRuns(path.join(root, "none"))).rejects.toThrow(/^cannot read the folder .*none \(ENOENT\)$/);
});

test("a summary without results, and a folder of runs, are reported as such", async () => {
  const alone = runFolder("alone", true);
  rmSync(path.join(alone, "results.jsonl"));
  await expect(readRun(alone)).rejects.toThrow(/has the run's summary without its results.*results\.jsonl/);
  runFolder("several/x@m", true);
  await expect(requireRun(path.join(root, "several"))).rejects.toThrow(
    /several holds no lab run itself; name one of the runs below it: ".*x@m"$/,
  );
});

test("a truncated last line is dropped, as when the run resumes", async () => {
  const folder = runFolder("torn", true);
  appendFileSync(path.join(folder, "results.jsonl"), '{"item":"q1","rec');
  expect((await readRun(folder)).results).toHaveLength(80);
});

test("a run is read whole; a folder without a run, or with an unfinished one, is named", async () => {
  const { results, summary } = await readRun(runFolder("whole", true));
  expect([results.length, summary.recipes.length]).toEqual([80, 2]);
  await expect(readRun(path.join(root, "nowhere"))).rejects.toThrow(/nowhere holds no lab run/);
  await expect(readRun(runFolder("half", false))).rejects.toThrow(/summary\.json/);
});
