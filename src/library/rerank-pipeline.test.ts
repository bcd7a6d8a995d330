import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tinyWithLetters } from "../engine/decode/listwise/letters.testing.ts";
import type { FirstInput } from "../pipelines/first/options.ts";
import { USUAL_RERANKER } from "../weights/sources/aliases.ts";
import { resolveModel } from "../weights/sources/index.ts";
import { load } from "./load.ts";
import { openReranker } from "./rerank-pipeline.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-rerank-"));
vi.mock("../util/package-root.ts", () => ({ packageRoot: () => root }));

const file = path.join(root, "letters.gguf");
const adapter = fileURLToPath(new URL("../weights/adapter/fixtures/llama-gguf", import.meta.url));
const options = { windowSize: 3, stride: 2, maxPassageWords: 2 };

beforeAll(() => {
  // Links the package's dependencies, which include the runtime's native library.
  symlinkSync(fileURLToPath(new URL("../../node_modules", import.meta.url)), path.join(root, "node_modules"));
  const model = tinyWithLetters();
  writeFileSync(file, model);
  const folder = path.join(root, "models", "letters", "first");
  mkdirSync(folder, { recursive: true });
  for (const name of ["adapter_config.json", "adapter_model.safetensors"])
    cpSync(path.join(adapter, name), path.join(folder, name));
  const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  const data = { name: "lists", sha256: hash(Buffer.of()), lists: 1 };
  const trained = { model: { name: "letters", sha256: hash(model) }, options, data, notice: "measured" };
  writeFileSync(path.join(folder, "first.json"), JSON.stringify(trained));
});
afterAll(() => rmSync(root, { recursive: true }));

const documents = ["ab cd ef", "gh ij", "kl mn op", "qr"];

/** The windows of a ranking, and the logits of the first. */
async function ranked(value: string, more: { adapter?: string | undefined } = {}) {
  using ranker = await openReranker(`${file}+first${value}`, { quant: "f32", first: { presort: "none" }, ...more });
  const { windows } = await ranker.rerank("why", documents);
  return {
    places: windows.map(({ window }) => window),
    words: windows[0]!.words,
    logits: windows[0]!.passages.map(({ logit }) => logit),
  };
}

test("a model's bundled adapter and its windows are used at once; none and another one are selected by name", async () => {
  const bundled = await ranked("", { adapter: undefined });
  expect([bundled.places, bundled.words]).toEqual([
    [
      [1, 4],
      [0, 2],
    ],
    2,
  ]);
  const same = "@windowSize=3,stride=2,maxPassageWords=2";
  const [plain, explicit] = [await ranked(`${same},adapter=none`), await ranked(same, { adapter })];
  expect(explicit.logits).toEqual(bundled.logits);
  expect(Math.max(...plain.logits.map((logit, i) => Math.abs(logit - bundled.logits[i]!)))).toBeGreaterThan(1e-3);
});

test("a list has the same ranking in any order, unless presort is none", async () => {
  const reversed = documents.toReversed();
  const ranking = async (list: readonly string[], presort?: string) => {
    using ranker = await openReranker(`${file}+first@windowSize=4,stride=4`, {
      quant: "f32",
      ...(presort && { first: { presort } }),
    });
    return (await ranker.rerank("cd of ef", list)).order.map((i) => list[i]);
  };
  expect(await ranking(reversed)).toEqual(await ranking(documents));
  expect(await ranking(reversed, "none")).not.toEqual(await ranking(documents, "none"));
  const sentences = fileURLToPath(new URL("../engine/fixtures/sentences", import.meta.url));
  expect(await ranking(reversed, sentences)).toEqual(await ranking(documents, sentences));
});

test("the notice of a model's bundled adapter is given once, and only with that adapter", async () => {
  const notices = async (value: string, adapter?: string) => {
    const onNotice = vi.fn();
    using ranker = await openReranker(`${file}+first@windowSize=3,stride=2${value}`, {
      quant: "f32",
      onNotice,
      ...(adapter && { adapter }),
    });
    await ranker.rerank("why", documents);
    await ranker.rerank("why", documents);
    return onNotice.mock.calls;
  };
  expect(await notices("")).toEqual([["measured"]]);
  expect(await notices(",adapter=none")).toEqual([]);
  expect(await notices("", adapter)).toEqual([]);
});

test("an invalid presort is refused before anything is loaded, in the name and beside it", async () => {
  const sentence = 'first: presort: expected bm25, none or an encoder such as minilm, got "xyz"';
  const refused = { message: sentence, exitCode: 2 };
  await expect(openReranker(`nowhere.gguf+first@presort=xyz`)).rejects.toMatchObject(refused);
  await expect(openReranker(`nowhere.gguf+first`, { first: { presort: "xyz" } })).rejects.toMatchObject(refused);
  await expect(openReranker("nowhere.gguf+first", { first: { presort: "xyz@fast" } })).rejects.toThrow("xyz@fast");
});

test("an encoder that cannot be loaded fails the ranking, not the process when the reranker is freed", async () => {
  const ranker = await openReranker(`${file}+first`, { quant: "f32", first: { presort: "nowhere.gguf" } });
  await expect(ranker.rerank("why", documents)).rejects.toThrow("there is no file nowhere.gguf");
  ranker.dispose();
  await new Promise(setImmediate);
});

test.each([
  ["@windowSize=12", { presort: "none" }, "first:windowSize=12,presort=none"],
  ["@presort=none,windowSize=12", { presort: "bm25" }, "first:presort=bm25,windowSize=12"],
  ["@presort=none", { presort: undefined }, "first:presort=none"],
  ["", {}, "first"],
])("a receipt has the options of the name %j and those beside it, %j", async (value, first, recipe) => {
  using ranker = await openReranker(`${file}+first${value}`, { quant: "f32", first: first as FirstInput });
  const { receipt } = await ranker.rerank("why", documents);
  expect(receipt.recipe).toEqual([recipe]);
  expect("presorted" in receipt.work!).toBe(!recipe.includes("none"));
});

test("a model that scores single texts ranks by its scores, and takes no options of lists", async () => {
  const folder = fileURLToPath(new URL("../engine/fixtures/cross-encoder", import.meta.url));
  using ranker = await openReranker(folder);
  const { order, scores, windows, receipt } = await ranker.rerank("why", documents);
  using model = await load(folder);
  expect(scores).toEqual((await model.relevance("why", documents)).scores);
  expect(order.map((i) => scores[i])).toEqual(scores.toSorted((a, b) => b - a));
  expect([windows, receipt.tokens.completion]).toEqual([[], 0]);
  const refused = `first: ${folder} reads each text by itself; expected MODEL+first, such as smollm2+first`;
  await expect(openReranker(folder, { first: { windowSize: 3 } })).rejects.toThrow(refused);
});

test("without a name, the default reranker is opened", async () => {
  await resolveModel(USUAL_RERANKER);
  using ranker = await openReranker();
  expect(ranker.name).toBe(USUAL_RERANKER);
  const texts = ["Bake an apple pie.", "Tokyo is the capital of Japan."];
  expect((await ranker.rerank("Which city is the capital of Japan?", texts)).order).toEqual([1, 0]);
});
