import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { sampleReport } from "../report/sample.testing.ts";
import { findRuns, readRun } from "./held.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-held-"));
afterAll(() => rmSync(root, { recursive: true }));

const identity = {
  ...{ task: "t", model: "m", model_hash: "0", quant: "f32", seed: 0, limit: null, truncate: null },
  ...{ items: 40, items_hash: "0" },
};

/** A run's folder as it is after its end, or in the middle. */
function made(name: string, finished: boolean): string {
  const folder = path.join(root, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "run.json"), JSON.stringify(identity));
  const { summary, results } = sampleReport(2);
  writeFileSync(path.join(folder, "results.jsonl"), results.map((result) => `${JSON.stringify(result)}\n`).join(""));
  if (finished) writeFileSync(path.join(folder, "summary.json"), JSON.stringify(summary));
  return folder;
}

test("runs are found where they lie, finished or not, in the order of their paths", async () => {
  const folders = [made("b", true), made("a/t@m", true), made("a/u@m", false), made(".hidden", true)];
  const found = await findRuns(root);
  expect(found.map(({ folder }) => folder)).toEqual([folders[1], folders[2], folders[0]]);
  expect(found.map(({ summary }) => summary?.items)).toEqual([40, undefined, 40]);
  expect((await findRuns(folders[0]!)).map(({ folder }) => folder)).toEqual([folders[0]]);
});

test("a run is read whole; a folder that holds none, or one that is not finished, is named", async () => {
  const { results, summary } = await readRun(made("whole", true));
  expect([results.length, summary.recipes.length]).toEqual([80, 2]);
  await expect(readRun(path.join(root, "nowhere"))).rejects.toThrow(/nowhere holds no lab run/);
  await expect(readRun(made("half", false))).rejects.toThrow(/summary\.json/);
});
