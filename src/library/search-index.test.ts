import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createIndex, openIndex } from "./open-index.ts";
import type { SearchIndex } from "./search-index.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-search-index-"));
const model = join(folder, "sentences");
beforeAll(() => {
  vi.stubEnv("MODICUM_HOME", join(folder, "home"));
  cpSync(fileURLToPath(new URL("../engine/fixtures/sentences", import.meta.url)), model, { recursive: true });
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const documents = [
  { id: "a", title: "Fruit", text: "Apples grow on trees.", categories: ["Food"], metadata: { page: 3 } },
  { id: "b", text: "The train is late again." },
  { id: "c", text: "A man is eating food." },
];

let counter = 0;
async function filled(embedding: string): Promise<SearchIndex> {
  const index = await createIndex(`index${counter++}`, { embedding });
  await index.add(documents);
  return index;
}

describe("an index", () => {
  test("finds documents by terms, by vectors and by both, each with its receipt", async () => {
    await using index = await filled(model);
    const by = async (ranker: "bm25" | "dense" | "hybrid") => index.search("apple trees", { by: ranker, top: 2 });
    const [bm25, dense, hybrid] = [await by("bm25"), await by("dense"), await by("hybrid")];
    expect(bm25.results).toEqual([{ ...documents[0], score: expect.any(Number) }]);
    expect(dense.results).toHaveLength(2);
    // The cost is the query's embedding plus three vector comparisons.
    const { width } = index.settings.embedding!;
    const { receipt } = await (await openEmbedding()).embed(["apple trees"]);
    expect(dense.receipt.flops.spent - receipt.flops.spent).toBe(2 * 3 * width);
    expect(hybrid.receipt.flops.spent).toBe(dense.receipt.flops.spent + bm25.receipt.flops.spent);
    expect(hybrid.receipt.work).toMatchObject({ retrievals: { dense: 1, run: 1 } });
    expect(hybrid.receipt.tokens).toEqual(receipt.tokens);
    expect(bm25.receipt).toMatchObject({ model: "bm25", tokens: { prompt: 0 } });
  });

  test("returns a unit vector for a document, and the documents closest to it", async () => {
    await using index = await filled(model);
    const vectors = await index.vectors(["a", "c", "missing"]);
    expect([...vectors.keys()].sort()).toEqual(["a", "c"]);
    expect(Math.hypot(...vectors.get("a")!)).toBeCloseTo(1, 5);
    const { results, receipt } = await index.similar("c", { top: 5 });
    expect(results.map(({ id }) => id).sort()).toEqual(["a", "b"]);
    const product = vectors.get("a")!.reduce((sum, value, i) => sum + value * vectors.get("c")![i]!, 0);
    expect(results.find(({ id }) => id === "a")!.score).toBeCloseTo(product, 5);
    expect(receipt.flops.spent).toBeGreaterThan(0);
    expect((await index.similar("missing")).results).toEqual([]);
  });

  test("embeds only changes: an addition's receipt is that of its embeddings", async () => {
    await using index = await filled(model);
    expect(await index.add(documents)).toMatchObject({ unchanged: 3, receipt: { flops: { spent: 0 } } });
    const { receipt, ...changes } = await index.add([
      { id: "b", text: "The train is on time." },
      ...documents.slice(2),
    ]);
    expect(changes).toEqual({ added: 0, replaced: 1, unchanged: 1, removed: 0, empty: 0 });
    const direct = await (await openEmbedding()).embed(["The train is on time."]);
    expect(receipt.flops).toEqual(direct.receipt.flops);
  });

  test("without vectors is searched by terms, and says so otherwise", async () => {
    await using index = await filled("none");
    expect((await index.search("late")).results.map(({ id }) => id)).toEqual(["b"]);
    await expect(index.search("late", { by: "dense" })).rejects.toThrow("has no vectors; search it with bm25");
  });

  test("that is empty finds nothing", async () => {
    await using index = await createIndex(`index${counter++}`, { embedding: model });
    for (const by of ["bm25", "dense", "hybrid"] as const)
      expect((await index.search("x", { by })).results).toEqual([]);
  });

  test("is filled from files, listed, and emptied by file", async () => {
    await using index = await filled("none");
    const file = join(folder, "notes.jsonl");
    writeFileSync(file, '{"id":"n1","text":"one"}\n{"id":"n2","text":"two"}\n');
    expect(await index.addFile(file)).toMatchObject({ added: 2 });
    writeFileSync(file, '{"id":"n2","text":"two"}\n');
    expect(await index.addFile(file)).toMatchObject({ unchanged: 1, removed: 1 });
    const listed = [];
    for await (const { id, source } of index.list()) listed.push([id, source]);
    expect(listed).toEqual([
      ["a", null],
      ["b", null],
      ["c", null],
      ["n2", file],
    ]);
    expect(await index.removeFile(file)).toBe(1);
    expect(await index.remove(["a"])).toBe(1);
    expect((await index.counts()).documents).toBe(2);
  });
});

describe("another embedding model is refused", () => {
  test("by its weights, if the same name has others now", async () => {
    const other = join(folder, "changed");
    cpSync(model, other, { recursive: true });
    const { name } = await filled(other);
    const weights = join(other, "model.safetensors");
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(weights, bytes);
    await using again = await openIndex(name);
    await expect(again.search("x", { by: "dense" })).rejects.toThrow(
      new RegExp(
        `^the index ${name} has vectors of a different ${other} \\(SHA-256 \\w{12}…, here it is \\w{12}…\\); create it again$`,
      ),
    );
    expect((await again.search("train", { by: "bm25" })).results).toHaveLength(1);
  });

  test("by its name", async () => {
    await using index = await filled(model);
    const identity = { ...index.settings.embedding!, name: "mpnet" };
    const opened = async () => ({ ...(await openEmbedding()), identity });
    await expect(index.searchWith(opened, "x", { by: "dense" }, {})).rejects.toThrow(
      `the index ${index.name} has vectors of ${model}, not of mpnet; create an index for it`,
    );
  });
});

describe("a call", () => {
  test("that is stopped keeps the earlier batches, and reports their cost", async () => {
    await using index = await createIndex(`index${counter++}`, { embedding: model });
    const stop = new AbortController();
    const long = Array.from({ length: 600 }, (_, i) => ({ id: `d${i}`, text: "x" }));
    const onNotice = vi.fn();
    const adding = index.add(long, { signal: stop.signal, onBatch: () => stop.abort(), onStopped: onNotice });
    await expect(adding).rejects.toThrow("aborted");
    expect((await index.counts()).documents).toBe(256);
    expect(onNotice.mock.calls[0]![0].flops.spent).toBeGreaterThan(0);
    await expect(index.search("x", { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  });

  test.each([
    [() => openIndex("nowhere"), "there is no index nowhere; `modicum index create nowhere` creates it"],
    [
      () => openIndex("x", { store: "mysql://me:secret@host/x" }),
      "indexes are folders or postgres://user@host/database, got mysql://…",
    ],
    [() => openIndex("Bad/Name"), '"Bad/Name" is not a valid index name'],
    [() => createIndex("index0", { embedding: "none" }), "there is an index index0 already"],
    [() => createIndex("x", { words: 0 }), "createIndex's options.words: must be at least 1 (got 0)"],
  ])("without meaning is refused in one sentence: %#", async (call, sentence) => {
    await expect(call()).rejects.toThrow(sentence);
  });

  test("with an invalid document is refused in one sentence", async () => {
    await using index = await filled("none");
    await expect(index.add([{ id: "x" } as never])).rejects.toThrow(
      "add's document 1.text: expected a text, got nothing",
    );
    await expect(index.search("")).rejects.toThrow("the query is empty");
    await expect(index.search("x", { top: 0 })).rejects.toThrow("search's options.top: must be at least 1 (got 0)");
    await expect(index.search("x", { by: "colour" as never })).rejects.toThrow("search's options.by");
  });
});

/** The model itself, for comparison. */
async function openEmbedding() {
  const { openEmbeddingModel } = await import("./open-index.ts");
  const opened = await openEmbeddingModel(model, {});
  return { ...opened, embed: (texts: readonly string[]) => opened.embed(texts, {}) };
}
