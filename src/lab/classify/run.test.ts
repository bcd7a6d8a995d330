import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createIndex } from "../../index.ts";
import { findTask } from "../tasks/registry.ts";
import { atOtherPlaces } from "./arms.ts";
import { macroF1 } from "./report.ts";
import { type ClassifyRun, runClassify } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-lab-classify-"));
const model = fileURLToPath(new URL("../../engine/fixtures/sentences", import.meta.url));
const file = join(folder, "news.csv");
const rows = ["Zun won,sport", "Borvo fell,business", "Zun again,sport", "qqq,business"];

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", join(folder, "home"));
  writeFileSync(file, ["text,category_name", ...rows].join("\n"));
  await using index = await createIndex("wiki", { embedding: "none" });
  await index.add([
    { id: "a", text: "Zun is a player", categories: ["Sport"] },
    { id: "b", text: "Borvo is a bank", categories: ["Banks"] },
  ]);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const run = async (changes: Partial<ClassifyRun> = {}) =>
  runClassify({
    ...{ model, task: await findTask(`tagmynews:${file}`), index: "wiki", qzero: {}, words: {}, resolve: {} },
    ...{ options: { limit: 4, seed: 1 }, out: join(folder, "out"), command: "lab classify", version: "0" },
    notice: () => {},
    ...changes,
  });

test("every arm runs on every text, with the control, and is compared with plain and stored", async () => {
  const { arms, items } = await run({ words: { business: ["banks", "money"] } });
  expect(items).toBe(4);
  expect(arms.map(({ arm }) => arm)).toEqual(["plain", "always", "margin", "shuffled"]);
  const [plain, always, margin, shuffled] = arms;
  expect(plain).toMatchObject({ looked_up: 0, gain: { mean: 0 } });
  expect(always).toMatchObject({ looked_up: 1, fallback: 0.25, flops_saved: 0 });
  expect(shuffled!.looked_up).toBe(1);
  expect(margin!.looked_up).toBeLessThanOrEqual(1);
  expect(always!.gain.mean).toBeCloseTo(always!.accuracy - plain!.accuracy, 12);
  const results = readFileSync(join(folder, "out", "results.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line)); // biome-ignore format: one line
  expect(results).toHaveLength(4);
  for (const arm of arms)
    expect(results.filter((row) => row[arm.arm] === row.gold).length / 4).toBeCloseTo(arm.accuracy, 12);
  expect(JSON.parse(readFileSync(join(folder, "out", "report.json"), "utf8"))).toMatchObject({ arms, model });
});

test("with always alone there is no margin arm", async () => {
  const { arms } = await run({ qzero: { when: "always", mode: "replace" } });
  expect(arms.map(({ arm }) => arm)).toEqual(["plain", "always", "shuffled"]);
});

test("a task without labels, and words for an unknown label, are refused", async () => {
  const choices = join(folder, "choices.jsonl");
  writeFileSync(choices, '{"prompt":"a","choices":["b","c"],"gold":0}\n');
  await expect(run({ task: await findTask(choices) })).rejects.toThrow("has no labels; expected a task such as");
  await expect(run({ words: { sports: ["x"] } })).rejects.toThrow(
    '--label-words: the task has no label "sports", expected one of business, sport',
  );
});

test("documents of other texts: no text keeps its own", () => {
  for (const count of [2, 3, 50]) {
    const all = Array.from({ length: count }, (_, i) => i);
    const moved = atOtherPlaces(all, 7);
    expect(moved.toSorted((a, b) => a - b)).toEqual(all);
    expect(moved.every((from, place) => from !== place)).toBe(true);
  }
});

test("macro F1 by hand: (2·1/3 + 2·1/3 + 0) / 3", () => {
  expect(macroF1(["a", "a", "b", "c"], ["a", "b", "b", null], ["a", "b", "c"])).toBeCloseTo((2 / 3 + 2 / 3) / 3, 12);
});
