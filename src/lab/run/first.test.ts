import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { tinyWithLetters } from "../../engine/decode/listwise/letters.testing.ts";
import { rankPipelineNamed as parseFirst } from "../../pipelines/registry.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { ndcg } from "../metrics/index.ts";
import type { TaskOf } from "../task.ts";
import { runGrid, type Watcher } from "./grid.ts";
import { readRun } from "./held.ts";
import { runOptions } from "./options.ts";
import { choiceTask } from "./run.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-first-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, "letters.gguf");
writeFileSync(file, tinyWithLetters());

const ranking = (documents: number): TaskOf<"ranking"> => ({
  ...{ name: "lists", summary: "words", kind: "ranking", source: "made here", size: 3, metrics: [ndcg(10)] },
  async *items() {
    for (let i = 0; i < 3; i++) {
      const texts = Array.from({ length: documents }, (_, d) => ({ id: `d${d}`, text: `word ${"abcdefgh"[d]} ${i}` }));
      yield { kind: "ranking", id: `q${i}`, query: `which ${i}`, documents: texts, relevance: { d1: 2, d3: 1 } };
    }
  },
});

const silent: Watcher = { begin() {}, recipe: () => () => {} };
async function run(name: string, task: Parameters<typeof runGrid>[0]["cells"][number]["task"], value: string) {
  const first = parseFirst(`letters+first@${value}`)!;
  const cell = {
    ...{ task, source: await resolveModel(file), quant: "f32" as const, options: runOptions.parse({}) },
    first,
  };
  const rest = { recipes: [], searches: [], budget: {}, reuse: "refuse" as const, command: "lab run", version: "0" };
  return runGrid({ cells: [cell], out: path.join(folder, name), ...rest }, silent);
}

const windows = "windowSize=4,stride=2,presort=none";

test("a reranker is a recipe beside written rankings, with results by query and a summary", async () => {
  const [summary] = await run("whole", ranking(6), windows);
  expect(summary).toMatchObject({ task: "lists", model: "letters+first", items: 3, metric: { name: "ndcg@10" } });
  const recipe = `first:${windows}`;
  expect(summary!.recipes.map((each) => each.recipe)).toEqual(["dense", recipe]);
  const [dense, first] = summary!.recipes;
  expect(first!.flops_saved).toBeGreaterThan(dense!.flops_saved);
  expect(dense!.flops_saved).toBeLessThan(0.01);
  const results = readFileSync(path.join(folder, "whole", "results.jsonl"), "utf8")
    .trim()
    .split("\n");
  expect(results).toHaveLength(6);
  for (const line of results) {
    const { order } = JSON.parse(line).answer;
    expect([...order].sort()).toEqual(["d0", "d1", "d2", "d3", "d4", "d5"]);
  }
  expect((await readRun(path.join(folder, "whole"))).summary.model).toBe("letters+first");
});

test.each(["bm25", fileURLToPath(new URL("../../engine/fixtures/sentences", import.meta.url))])(
  "lists are presorted as elsewhere, by %s: their order does not matter",
  async (presort) => {
    const ranked = async (name: string, task: TaskOf<"ranking">) => {
      const out = `${path.basename(presort)}-${name}`;
      await run(out, task, `windowSize=6,stride=6,presort=${presort}`);
      const lines = readFileSync(path.join(folder, out, "results.jsonl"), "utf8")
        .trim()
        .split("\n");
      return lines.map((line) => JSON.parse(line).answer.order);
    };
    const backwards: TaskOf<"ranking"> = {
      ...ranking(6),
      async *items(options) {
        for await (const item of ranking(6).items(options)) yield { ...item, documents: item.documents.toReversed() };
      },
    };
    expect(await ranked("backwards", backwards)).toEqual(await ranked("forwards", ranking(6)));
  },
);

test.each([
  ["another kind of task", choiceTask(2), windows, "letters+first ranks documents; the task's kind is choice"],
  ["a presort without its model", ranking(6), "presort=no-such-model", "no-such-model"],
])("%s is refused", async (name, task, input, sentence) => {
  await expect(run(name, task, input)).rejects.toThrow(sentence);
});
