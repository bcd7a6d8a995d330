import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createIndex } from "../../index.ts";
import { findTask } from "../tasks/registry.ts";
import type { ComparedQuestion } from "./policies.ts";
import { type LookupRun, runLookup } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-lab-lookup-"));
const model = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));
const file = join(folder, "questions.jsonl");
const questions = ["apples?", "trains?", "pears?", "boats?", "cars?"];

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", join(folder, "home"));
  writeFileSync(file, questions.map((prompt) => JSON.stringify({ prompt, answer: "trees" })).join("\n"));
  await using index = await createIndex("notes", { embedding: "none" });
  await index.add([
    { id: "a", title: "Fruit", text: "Apples grow on trees." },
    { id: "b", text: "Trains are late." },
  ]);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const run = async (changes: Partial<LookupRun> = {}) =>
  runLookup({
    ...{ model, task: await findTask(file), index: "notes", answer: {}, resolve: {}, out: join(folder, "out") },
    ...{ options: { limit: 5, seed: 1, maxTokens: 3 }, command: "lab answer", version: "0", notice: () => {} },
    ...changes,
  });
const results = (): ComparedQuestion[] =>
  readFileSync(join(folder, "out", "results.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line)); // biome-ignore format: one line

test("each question is answered both ways, gates are judged, and a stopped run resumes", async () => {
  const report = await run();
  const rows = results();
  expect(rows.map(({ question }) => question).sort()).toEqual([...questions].sort());
  expect(rows.filter(({ covered }) => covered).map(({ question }) => question)).toEqual(["apples?"]);
  const looked = rows.find(({ question }) => question === "apples?")!;
  expect(looked.retrieved.tokens.prompt).toBeGreaterThan(looked.plain.tokens.prompt);
  expect(report.coverage.here).toBeCloseTo(0.2, 12);
  const [never, always] = report.policies;
  expect([never!.rate, always!.rate]).toEqual([0, 1]);
  expect(always!.flops).toBeGreaterThan(never!.flops);
  expect(report.gates.map(({ gate }) => gate)).toEqual(expect.arrayContaining(["margin", "energy", "random"]));

  const [first] = rows;
  writeFileSync(
    join(folder, "out", "results.jsonl"),
    `${JSON.stringify({ ...first, plain: { ...first!.plain, ms: 7 } })}\n`,
  );
  await run();
  expect(results()[0]!.plain.ms).toBe(7);
  expect(results()).toHaveLength(5);
});

test("a task of another kind, and one with too few questions, are refused", async () => {
  const choices = join(folder, "choices.jsonl");
  writeFileSync(choices, '{"prompt":"a","choices":["b","c"],"gold":0}\n');
  await expect(run({ task: await findTask(choices) })).rejects.toThrow("asks no questions; expected a task such as");
  writeFileSync(choices, '{"prompt":"a","answer":"b"}\n');
  await expect(run({ task: await findTask(choices) })).rejects.toThrow("has 1 questions, expected four or more");
});
