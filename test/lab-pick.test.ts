import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { sampleSummary } from "../src/lab/report/sample.testing.ts";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-pick-"));
afterAll(() => rmSync(folder, { recursive: true }));

function pick(...words: string[]) {
  const env = { ...process.env, MODICUM_HOME: path.join(folder, "home") };
  return spawnSync(process.execPath, [bin, "lab", "pick", ...words], { encoding: "utf8", env });
}

/** Writes a run whose recipes' changes have intervals of half-width `half`. */
function written(name: string, recipes: number, half: number): string {
  const run = path.join(folder, name);
  mkdirSync(run, { recursive: true });
  const summary = sampleSummary(recipes);
  const narrow = summary.recipes.map(({ delta, ...recipe }) => ({
    ...recipe,
    delta: recipe.recipe === "dense" ? delta : { ...delta, ci95: [delta.mean - half, delta.mean + half] },
  }));
  writeFileSync(path.join(run, "summary.json"), JSON.stringify({ ...summary, recipes: narrow }));
  return run;
}

const OLDER = "warning: this run does not record its prompt form;";

test("a pick reports what the run does not exclude", () => {
  const choice = pick(written("some", 3, 0.005), "--quality", "-0.01");
  expect(choice.stdout).toBe("xattention:threshold=0.9,stride=8,minLengthForSparse=2048\n");
  expect(choice.stderr).toContain(OLDER);
  expect(choice.stderr).toMatch(
    /with 40 items, a change of contains-answer as bad as −0\.008 cannot be excluded\nregistered as/,
  );
});

test("if only dense remains, it registers nothing, and says how many items might be enough", () => {
  const dense = pick(written("wide", 2, 0.0135), "--quality", "-0.01");
  expect([dense.status, dense.stdout]).toEqual([1, ""]);
  expect(dense.stderr).toMatch(
    /no recipe that saves FLOPs meets the condition, so none is registered; about 90 items might be enough for xattention:threshold=0\.95/,
  );
  const again = pick(written("some", 3, 0.005), "--quality", "-0.01");
  expect(again.stderr).toContain(
    "registered as smollm2@fast, in place of xattention:threshold=0.9,stride=8,minLengthForSparse=2048: ",
  );
});

test("without a folder or a condition, it says which folder and which flag", () => {
  const bare = pick();
  expect([bare.status, bare.stderr.split("\n")[0]]).toEqual([
    2,
    "error: expected a run's folder, from `lab run --out FOLDER`, and --quality or --saving",
  ]);
  const run = written("bare", 2, 0.01);
  expect(pick(run).stderr.split("\n")[0]).toBe(
    `error: expected either --quality or --saving, such as \`modicum lab pick ${run} --quality -0.01\``,
  );
});

test("a recipe that saves time and no FLOPs is named, with the command that registers it", () => {
  const run = written("time", 1, 0);
  const file = path.join(run, "summary.json");
  const { recipes, ...summary } = JSON.parse(readFileSync(file, "utf8"));
  const lookup = { ...recipes[0], recipe: "lookup:draft=8", flops_saved: -0.1, ms_per_item: 1000 };
  writeFileSync(file, JSON.stringify({ ...summary, prompt: "chat", recipes: [...recipes, lookup] }));
  expect(pick(run, "--quality", "-0.01").stderr).toContain(
    "; lookup:draft=8 took less time than dense, but `lab pick` compares only FLOPs: `modicum recipes add fast --model smollm2 --save lookup:draft=8` registers it\n",
  );
});

test("hollow evidence is refused without --force", () => {
  const run = written("hollow", 3, 0.005);
  const file = path.join(run, "summary.json");
  const summary = JSON.parse(readFileSync(file, "utf8"));
  for (const recipe of summary.recipes.slice(1)) recipe.acted = { items: 0, change: 0 };
  writeFileSync(file, JSON.stringify({ ...summary, prompt: "chat" }));
  const refused = pick(run, "--quality", "-0.01");
  expect([refused.status, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toMatch(/acted on none of these items; --force registers the recipe anyway/);
  const forced = pick(run, "--quality", "-0.01", "--force");
  expect([forced.status, forced.stderr]).toEqual([0, expect.stringContaining("acted on none of these items")]);
});
