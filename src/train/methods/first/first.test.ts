import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tinyWithLetters } from "../../../engine/decode/listwise/letters.testing.ts";
import { train } from "../../../index.ts";
import { openGguf } from "../../../weights/gguf/index.ts";
import { fromGguf, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { sampleData } from "../../data/pack.ts";
import { completeOptions } from "../complete.ts";
import { listReader } from "./lists.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-first-"));
const model = path.join(folder, "letters.gguf");
let tokenizer: Tokenizer;
beforeAll(() => {
  writeFileSync(model, tinyWithLetters());
  tokenizer = new Tokenizer(fromGguf(openGguf(model).metadata));
});
afterAll(() => rmSync(folder, { recursive: true }));

const documents = ["some words", "other words", "a third"];

/** A list's sample with its tokens decoded. */
function shown(record: Parameters<ReturnType<typeof listReader>>[0]) {
  const { ids, labels, list } = listReader(tokenizer, 2)(record);
  const at = labels.findIndex((label) => label >= 0);
  const written = tokenizer.decode([...labels.subarray(at)]);
  return {
    prompt: tokenizer.decode([...ids.subarray(0, at + 1)]),
    at,
    written,
    labels: labels.length - at,
    list: list!,
  };
}

test("a teacher's list is a reranker's prompt, labelled with the ranking after its bracket", () => {
  const { prompt, at, written, labels, list } = shown({ query: "why", documents, ranking: [2, 0, 1] });
  expect(prompt).toContain("[A] some words\n[B] other words\n[C] a third");
  expect(prompt.endsWith("[")).toBe(true);
  expect(written).toBe("C] > [A] > [B]");
  expect([list.at, list.labels]).toEqual([at, labels]);
  expect(Array.from(list.ranks)).toEqual([2, 3, 1]);
  expect(Array.from(list.letters, (id) => tokenizer.text(id))).toEqual(["A", "B", "C"]);
});

test("a positive's place depends on its query; it ranks first, and its negatives share one rank", () => {
  const places = ["one", "two", "three", "four", "five", "six"].map((query) => {
    const { list, written } = shown({ query, positive: "yes indeed", negatives: documents });
    const place = list.ranks.indexOf(1);
    expect([...list.ranks].sort()).toEqual([1, 2, 2, 2]);
    expect(written.startsWith("ABCD"[place]!)).toBe(true);
    expect(shown({ query, positive: "yes indeed", negatives: documents }).list).toEqual(list);
    return place;
  });
  expect(new Set(places).size).toBeGreaterThan(1);
});

test("lists keep their places in batches, one per row or packed", () => {
  const read = listReader(tokenizer, 2);
  const samples = [
    [2, 0, 1],
    [1, 0, 2],
  ].map((ranking) => read({ query: "why", documents, ranking }));
  const [at, tokens] = [samples[0]!.list!.at, samples[0]!.ids.length];
  const apart = sampleData(samples, { packing: false, rows: 2, tokens: tokens + 5 }).batch(0);
  expect(apart.lists!.map((list) => list.at)).toEqual([at, tokens + 5 + at]);
  const packed = sampleData(samples, { packing: true, rows: 1, tokens: 2 * tokens }).batch(0);
  expect(packed.lists!.map((list) => list.at)).toEqual([at, tokens + at]);
  for (const { lists, ids } of [apart, packed])
    for (const list of lists!) expect(tokenizer.text(ids[list.at]!)).toBe("[");
});

async function trained(method: string, rows: readonly object[]) {
  const out = mkdtempSync(path.join(folder, "run-"));
  const data = path.join(out, "lists.jsonl");
  writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const options = { model, data, method, steps: 5, validation: 0, tokens: 600, lora: { rank: 2 }, batch: 1 };
  const call = { out: path.join(out, "adapter") };
  return train({ ...options, accumulate: 1, optimizer: { lr: 0.02 } }, call);
}

test.each(["first", "first:loss=rank,rule=ranknet", "first:loss=lm", "first:rule=listnet,lambda=2"])(
  "%s lowers its loss",
  async (method) => {
    const { loss } = await trained(method, [{ query: "why", documents, ranking: [2, 0, 1] }]);
    expect(loss.last).toBeLessThan(loss.first - 1e-3);
  },
);

test.each([
  [
    { query: "why", documents, ranking: [0, 1] },
    '"ranking": expected the index of each document exactly once, the best first',
  ],
  [{ query: "why", positive: "yes", negatives: [] }, '"negatives": expected at least one document to rank'],
  [{ query: "why", positive: "a", negatives: Array(26).fill("b") }, "the list has 27 documents, expected at most 26"],
])("%j is one sentence", async (row, sentence) => {
  await expect(trained("first", [row])).rejects.toThrow(sentence);
});

test("no other method trains on lists", async () => {
  const row = { query: "why", documents, ranking: [2, 0, 1] };
  await expect(trained("sft", [row])).rejects.toThrow('got "query", "documents" and "ranking"');
});

test("LoRA is the preset for an existing model, not for a new one or for a run that names its parameters", () => {
  const base = { method: "first", data: "lists.jsonl" };
  expect(completeOptions({ ...base, model }).lora).toMatchObject({ rank: 8 });
  expect(completeOptions({ ...base, model, train: ["*"] }).lora).toBeUndefined();
  expect(completeOptions({ ...base, architecture: { model_type: "llama" } }).lora).toBeUndefined();
});
