import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { receiptSchema } from "../ledger/receipt.ts";
import { measuredNotice } from "../pipelines/qzero/measured.ts";
import { type ClassifierOptions, openClassifier } from "./classify-pipeline.ts";
import { createIndex } from "./open-index.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-classify-"));
const fixture = (name: string) => fileURLToPath(new URL(`../engine/fixtures/${name}`, import.meta.url));
const model = join(folder, "sentences");

const documents = [
  { id: "a", title: "Fruit", text: "Apples grow on trees.", categories: ["Food", "Plants", "Articles with notes"] },
  { id: "b", title: "Late", text: "The train is late again.", categories: ["Railways"] },
  { id: "c", title: "Bare", text: "Apples and pears." },
];
const labels = ["fruit", "trains"];

beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", join(folder, "home"));
  cpSync(fixture("sentences"), model, { recursive: true });
  for (const [name, embedding, all] of [
    ["words", "none", documents],
    ["vectors", model, documents],
    ["empty", "none", []],
    ["uncategorised", "none", documents.slice(2)],
  ] as const) {
    await using index = await createIndex(name, { embedding });
    await index.add(all.map((document) => ({ ...document, categories: [...(document.categories ?? [])] })));
  }
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const open = (options: ClassifierOptions = {}) =>
  openClassifier(model, { index: "words", ...options, qzero: { when: "always", ...options.qzero } });

describe("a classifier that looks texts up", () => {
  test("reads the categories that its index finds, and bills searches, labels and texts once", async () => {
    await using classifier = await open();
    const { results, receipt } = await classifier.classify(["Apples", "Late trains", "Xyz"], labels, { explain: true });
    expect(results.map(({ retrieved, fallback }) => [retrieved, fallback])).toEqual([
      [true, false],
      [true, false],
      [true, true],
    ]);
    const found = results.map(({ explanation }) => explanation!.documents.map(({ id }) => id).sort());
    expect(found).toEqual([["a", "c"], ["b"], []]);
    expect(Object.keys(results[0]!.scores)).toEqual(labels);
    expect(receiptSchema.parse(receipt)).toMatchObject({
      ...{ model, recipe: ["qzero:when=always"] },
      work: { retrievals: { dense: 3, run: 3 } },
    });
    expect(receipt.flops.overhead).toBeGreaterThan(0);
    const again = await classifier.classify(["Apples", "Late trains", "Xyz"], labels, { explain: true });
    expect(again.results).toEqual(results);
    // The labels are cached by now.
    expect(again.receipt.flops.spent).toBeLessThan(receipt.flops.spent);
  });

  test("by vectors, by both, and with fewer documents", async () => {
    await using classifier = await open({ index: "vectors" });
    const ids = async (qzero: ClassifierOptions["qzero"]) => {
      const { results } = await classifier.classify(["Apples"], labels, { explain: true, qzero });
      return results[0]!.explanation!.documents.length;
    };
    expect(await ids({ retriever: "dense" })).toBe(3);
    expect(await ids({ retriever: "bm25" })).toBe(2);
    expect(await ids({ topK: 1 })).toBe(1);
  });

  test("excludes the text's own document, and categories for editors, on request", async () => {
    await using classifier = await open();
    const documentsOf = async (qzero: ClassifierOptions["qzero"]) => {
      const { results } = await classifier.classify(["Apples grow on trees."], labels, { explain: true, qzero });
      const { documents, read } = results[0]!.explanation!;
      return [documents.map(({ id }) => id), read.found];
    };
    expect(await documentsOf({})).toEqual([["a", "c"], 3]);
    expect(await documentsOf({ categoryFilter: true })).toEqual([["a", "c"], 2]);
    expect(await documentsOf({ excludeExact: true })).toEqual([["c"], 0]);
    expect(await documentsOf({ excludeExact: true, topK: 1 })).toEqual([["c"], 0]);
  });

  test("accepts the caller's documents, and labels with words", async () => {
    await using classifier = await openClassifier(model);
    const evidence = [[{ categories: ["Fruit", "Fruit"] }, { title: "T", categories: ["Trees"] }]];
    const request = { evidence, explain: true, qzero: { when: "always", mode: "replace", topK: 1 } } as const;
    const { results, receipt } = await classifier.classify(
      ["x"],
      { fruit: ["apple", "pear"], trains: "train" },
      request,
    );
    expect(results[0]!.explanation).toMatchObject({
      documents: [{ categories: ["Fruit", "Fruit"] }],
      read: { found: 2 },
    });
    expect(Object.keys(results[0]!.scores)).toEqual(["fruit", "trains"]);
    expect(receipt.work).not.toHaveProperty("retrievals");
  });

  test("says once what a lookup gains, at the first one", async () => {
    const notices: string[] = [];
    await using classifier = await open({ onNotice: (notice) => notices.push(notice) });
    await classifier.classify(["Apples"], labels, { qzero: { when: "margin", margin: 0 } });
    expect(notices).toEqual([]);
    for (let i = 0; i < 2; i++) await classifier.classify(["Apples"], labels);
    expect(notices).toEqual([measuredNotice("encoder")]);
  });

  test("stops with its signal", async () => {
    await using classifier = await open();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(classifier.classify(["Apples"], labels, { signal })).rejects.toThrow("enough");
  });

  test.each([
    [{}, ["sport", "sport"], 'the label "sport" occurs twice; expected distinct labels'],
    [{}, ["sport", ""], "label 2 is empty, expected a text"],
    [{ index: "empty" }, labels, "the index empty is empty; add documents with categories to it"],
    [{ index: "uncategorised" }, labels, "no document of the index uncategorised has categories, which qzero reads"],
    [{ index: undefined }, labels, "there is no index to search; expected an index, or evidence"],
    [{ qzero: { retriever: "dense" } }, labels, "the index words has no vectors; search it with bm25"],
    [{ qzero: { mode: "both" } }, labels, "qzero: mode: "],
    [{ qzero: { topk: 3 } }, labels, 'qzero: there is no option "topk"; did you mean "topK"?'],
    [{ index: "none" }, labels, "there is no index none"],
  ])("options %j with labels %j are refused", async (options, names, sentence) => {
    const attempt = async () => {
      await using classifier = await open(options as ClassifierOptions);
      await classifier.classify(["Apples"], names);
    };
    await expect(attempt).rejects.toThrow(sentence);
  });

  test("an empty text, and evidence for other texts, are refused", async () => {
    await using classifier = await open();
    await expect(classifier.classify(["Apples", " "], labels)).rejects.toThrow("text 2 is empty");
    const evidence = [[{ categories: ["a"] }], []];
    await expect(classifier.classify(["Apples"], labels, { evidence })).rejects.toThrow(
      "evidence: expected one entry per text, 1, got 2",
    );
  });

  test("a model that does not embed is refused", async () => {
    await expect(openClassifier(fixture("classifier"), { index: "words" })).rejects.toThrow(
      "is a classifier; expected an embedding model",
    );
  });

  test("an index of another embedding model is refused by vectors", async () => {
    const weights = join(model, "model.safetensors");
    const bytes = readFileSync(weights);
    const changed = Buffer.from(bytes);
    changed[changed.length - 1] = (changed.at(-1)! + 1) & 0xff;
    writeFileSync(weights, changed);
    await using classifier = await open({ index: "vectors", qzero: { retriever: "dense" } });
    await expect(classifier.classify(["Apples"], labels)).rejects.toThrow("has vectors of a different");
    writeFileSync(weights, bytes);
  });
});
