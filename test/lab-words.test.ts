import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const tiny = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-words-"));
const task = path.join(folder, "mine.jsonl");
writeFileSync(task, '{"prompt": "a", "choices": ["b", "c"], "gold": 0}\n');
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  [["--budget-flops", "1e12"], "a budget needs a search; add --search, or omit the budget"],
  [["--recipe", ""], "--recipe is empty; dense is always included"],
  [["--rows", "2"], "--rows is only for tasks with generated answers"],
])("lab run with %j, which would do nothing, is refused before anything runs", (words, sentence) => {
  const out = path.join(folder, "out");
  const call = [bin, "lab", "run", "--model", tiny, "--task", task, "--out", out, ...words];
  const { status, stderr } = spawnSync(process.execPath, call, { encoding: "utf8" });
  expect(stderr).toContain(`error: ${sentence}\n`);
  expect([status, existsSync(out)]).toEqual([2, false]);
});
