import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { sampleSummary } from "../src/lab/report/sample.testing.ts";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-pick-"));
afterAll(() => rmSync(folder, { recursive: true }));

function pick(run: string, ...words: string[]) {
  const env = { ...process.env, MODICUM_HOME: path.join(folder, "home") };
  return spawnSync(process.execPath, [bin, "lab", "pick", run, ...words], { encoding: "utf8", env });
}

function written(name: string, recipes: number): string {
  const run = path.join(folder, name);
  mkdirSync(run, { recursive: true });
  writeFileSync(path.join(run, "summary.json"), JSON.stringify(sampleSummary(recipes)));
  return run;
}

test("a pick tells what the run does not exclude, and that dense saves nothing", () => {
  const found = pick(written("some", 3), "--quality", "-0.01");
  expect(found.stdout).toBe("xattention:threshold=0.9,stride=8,minLengthForSparse=2048\n");
  expect(found.stderr).toMatch(
    /^with 40 items, a change of contains-answer as bad as −0\.019 cannot be excluded\nregistered as/,
  );
  const dense = pick(written("none", 1), "--quality", "-0.01");
  expect(dense.stdout).toBe("dense\n");
  expect(dense.stderr).toMatch(
    /^no recipe that saves FLOPs meets the condition; picked dense, which saves nothing\nregistered as smollm2@fast, in place of xattention:threshold=0\.9,stride=8,minLengthForSparse=2048: /,
  );
});
