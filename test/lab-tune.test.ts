import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { savings } from "../src/savings/registry.ts";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const tiny = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
const untied = fileURLToPath(new URL("../src/models/fixtures/llama-tiny-untied.gguf", import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), "modicum-tune-"));
const task = path.join(home, "mine.jsonl");
const prompts = Array.from({ length: 110 }, (_, i) => ({ prompt: `${"abc ".repeat(1 + (i % 9))}${i}` }));
writeFileSync(task, prompts.map((line) => `${JSON.stringify(line)}\n`).join(""));
afterAll(() => rmSync(home, { recursive: true }));

const tune = (...words: string[]) =>
  spawnSync(process.execPath, [bin, "lab", "tune", "--model", tiny, "--task", task, "--name", "mine", ...words], {
    encoding: "utf8",
    env: { ...process.env, MODICUM_HOME: home },
  });

test.each([
  [["--risk", "0"], "--risk: expected more than 0 and less than 1, got 0"],
  [["--risk", "1"], "--risk: expected more than 0 and less than 1, got 1"],
  [["--confidence", "1"], "--confidence: expected at least 0.5 and less than 1, got 1"],
  [["--loss", "harm"], "--loss harm compares qualities: expected items with answers"],
  [["--loss", "harmful"], "--loss: "],
])("lab tune %j is refused in one sentence", (words, sentence) => {
  const { status, stderr } = tune(...words);
  expect(stderr).toContain(`error: ${sentence}`);
  expect(status).toBe(2);
});

test("a dry run reports candidates, minutes and what the items can certify; a tuning that certifies nothing ends with 0", () => {
  const dry = tune("--max-tokens", "4", "--dry-run");
  expect(dry.stdout).toMatch(/^lookup:match=4,tokens=8$/m);
  expect(dry.stdout).toMatch(
    /^xattention \(3 settings\) is left out: the median prompt has \d+ tokens, but it acts only on prompts from 4,096$/m,
  );
  expect(dry.stdout).toMatch(
    /^at most about \d+ minutes? for the search, and \d+ minutes? for the test of one recipe$/m,
  );
  expect(dry.stdout).toMatch(
    /^110 items leave 74 for the test, which certifies a risk of 0\.\d+ at best, if nothing is lost; a risk of 0\.05 needs \d+ items in the file, \d+ of them for the test$/m,
  );
  for (const { name } of savings) expect(dry.stdout).toMatch(new RegExp(`^${name}(:\\S+$| .*is left out: .)`, "m"));
  const candidates = path.join(home, "candidates.txt");
  writeFileSync(candidates, "exit:layer=1\n");
  const { status, stdout, stderr } = tune("--max-tokens", "4", "--candidates", candidates, "--json");
  expect([status, JSON.parse(stdout)]).toMatchObject([0, { name: null, certificate: null, attempt: 1 }]);
  expect(readFileSync(path.join(home, "tunings", "mine", "report.html"), "utf8")).toContain("Nothing is certified");
  expect(stderr).toContain("search: dense");
});

test.each([
  ["", ["--adapter", "x"], "--adapter needs a single model; a pair's thresholds are tuned here, without adapters"],
  ["", ["--queue", "redis://x"], "--queue needs a single model"],
  ["@share=0.3", [], "is tuned over all shares for Super; expected no share after its @"],
])("a pair%s with %j is refused in one sentence", (options, words, sentence) => {
  const { status, stderr } = tune("--model", `${tiny}>${untied}${options}`, ...words);
  expect(stderr).toContain(sentence);
  expect(status).toBe(2);
});

test("a pair is tuned under its model name; its thresholds use both models' answers", () => {
  const pair = ["--model", `${tiny}>${untied}@score=energy`, "--max-tokens", "4", "--loss", "agreement"];
  const dry = tune(...pair, "--name", "pair", "--dry-run");
  expect(dry.stdout).toMatch(/^route:share=0\.9,score=energy,temperature=1,aggregate=first$/m);
  const { status, stdout, stderr } = tune(...pair, "--name", "pair", "--json");
  // Two models of one size: nothing is cheaper than dense.
  expect([status, JSON.parse(stdout)]).toMatchObject([0, { name: null, certificate: null }]);
  expect(stderr).toContain("search: Swift");
  const storedLines = readFileSync(path.join(home, "tunings", "pair", "pair.jsonl"), "utf8")
    .trim()
    .split("\n");
  expect(storedLines.length).toBeLessThanOrEqual(2 * prompts.length);
});
