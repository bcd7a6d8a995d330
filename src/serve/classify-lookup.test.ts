import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createIndex } from "../index.ts";
import { receiptSchema } from "../ledger/receipt.ts";
import { measuredNotice } from "../pipelines/qzero/measured.ts";
import { smallVectors } from "../pipelines/qzero/vectors.testing.ts";
import { Indexes } from "./indexes.ts";
import { termsSchema } from "./keys/terms.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

const documents = [
  { id: "a", title: "Ann Zun", text: "Zun won the cup.", categories: ["goal", "team"] },
  { id: "b", title: "Borvo", text: "Borvo sells bonds.", categories: ["market"] },
];
const home = mkdtempSync(path.join(tmpdir(), "modicum-qzero-"));
const before = process.env["MODICUM_HOME"];

let server: Testing;
beforeAll(async () => {
  process.env["MODICUM_HOME"] = home;
  const [, folder] = TINY[1]!.split("=") as [string, string];
  for (const [name, embedding] of [
    ["wiki", "none"],
    ["vectors", folder],
    ["empty", "none"],
    ["plain", "none"],
  ] as const) {
    await using index = await createIndex(name, { embedding });
    if (name === "plain") await index.add([{ id: "a", text: "Zun won the cup." }]);
    else if (name !== "empty") await index.add(documents);
  }
  const indexes = await Indexes.open(["wiki", "vectors", "empty", "plain"], undefined);
  server = await serveModels(TINY, { indexes, vectors: smallVectors() });
});
afterAll(async () => {
  await server.stop(0);
  if (before === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = before;
  rmSync(home, { recursive: true });
});

const always = { index: "wiki", when: "always" };
const classify = (body: object) =>
  post(server, "/v1/classify", { model: "small", input: "Zun and Borvo", labels: ["sports", "finance"], ...body });

describe("POST /v1/classify with retrieval", () => {
  test("word vectors: the request's labels, the index's documents, an explanation and a receipt", async () => {
    const body = { input: ["Zun", "Borvo", "qqq"], retrieval: { ...always, mode: "replace" }, explain: true };
    const { data, model, receipt } = await jsonOf(classify(body));
    expect(data.map(({ label, fallback }: { label: string; fallback: boolean }) => [label, fallback])).toEqual([
      ["sports", false],
      ["finance", false],
      [null, true],
    ]);
    expect(data[0].scores["sports"]).toBeCloseTo(1.6, 6);
    expect(data[0].explanation).toMatchObject({
      documents: [{ id: "a", title: "Ann Zun", categories: ["goal", "team"] }],
      categories: [
        { name: "goal", count: 1, contribution: 1 },
        { name: "team", count: 1, contribution: expect.closeTo(0.6, 6) },
      ],
      read: { found: 2, categories: 2 },
    });
    expect(model).toBe("small");
    expect(receiptSchema.parse(receipt)).toMatchObject({
      ...{ model: "small", recipe: ["qzero:mode=replace,when=always"] },
      work: { retrievals: { dense: 3, run: 3 } },
    });
    expect(await jsonOf(fetch(`${server.url}/v1/receipts/${receipt.id}`))).toEqual(receipt);
  });

  test("the log says once for each kind of model what a lookup gains", async () => {
    for (const model of ["small", "small", "sentences"]) await classify({ model, retrieval: always });
    const count = (notice: string) => server.logged.filter((line) => line.includes(notice)).length;
    expect((["words", "encoder"] as const).map((kind) => count(measuredNotice(kind)))).toEqual([1, 1]);
  });

  test("label words, of which the closest counts, and documents from the caller", async () => {
    const labels = { play: ["odd", "sports"], money: "finance" };
    const evidence = [[{ title: "T", categories: ["goal", "goal"] }]];
    const retrieval = { mode: "append" };
    const { data, receipt } = await jsonOf(classify({ input: "x", labels, evidence, retrieval }));
    expect(data).toEqual([
      { index: 0, label: "play", scores: { play: 2, money: 0 }, retrieved: true, fallback: false },
    ]);
    expect(receipt.work["retrievals"]).toBeUndefined();
  });

  test("an encoder, with an index of the same model's vectors", async () => {
    const retrieval = { index: "vectors", mode: "append", when: "always", retriever: "dense", top_k: 1 };
    const { data, receipt } = await jsonOf(classify({ model: "sentences", retrieval, explain: true }));
    expect(data[0].explanation.documents).toHaveLength(1);
    expect(data[0].explanation.read.tokens.read).toBeGreaterThan(4);
    expect(receipt.work).toMatchObject({ calls: { sentences: expect.anything() }, retrievals: { dense: 1, run: 1 } });
    expect(receipt.flops.overhead).toBeGreaterThan(1000);
  });

  test.each([
    [{ retrieval: always, labels: undefined }, 400, "labels: a classification by lookup needs labels"],
    [{ retrieval: always, labels: ["sports", "sports"] }, 400, 'the label "sports" occurs twice'],
    [{ retrieval: always, labels: ["sports", " "] }, 400, "label 2 is empty"],
    [{ retrieval: always, labels: ["sports", "qqq"] }, 400, 'small knows no word of the label "qqq"'],
    [{ retrieval: always, input: " " }, 400, "text 1 is empty, expected at least one word"],
    [{ retrieval: { index: "wik" } }, 404, 'no index is called "wik" here; did you mean "wiki"?'],
    [{ retrieval: { index: "empty" } }, 400, "the index empty is empty; add documents with categories to it"],
    [{ retrieval: { index: "plain" } }, 400, "no document of the index plain has categories, which qzero reads"],
    [{ retrieval: {} }, 400, "retrieval.index: expected an index, or evidence"],
    [{ retrieval: { ...always, retriever: "dense" } }, 400, "the index wiki has no vectors; search it with bm25"],
    [{ retrieval: { ...always, top_k: 0 } }, 400, "retrieval.top_k: must be at least 1 (got 0)"],
    [{ retrieval: { ...always, topk: 3 } }, 400, 'did you mean "top_k"?'],
    [{ retrieval: always, evidence: [[]] }, 400, "evidence replaces retrieval.index; expected one of them"],
    [{ evidence: [] }, 400, "evidence: expected one entry per text, 1, got 0"],
    [{ model: "tiny", retrieval: always }, 400, "tiny generates text; expected an encoder"],
    [{ model: "labels", retrieval: always }, 400, "labels is a classifier; expected an embedding model"],
    [{ model: "sentences", retrieval: always, max_flops: 1 }, 400, "FLOPs"],
    [{ model: "tiny", labels: { a: "b", c: "d" } }, 400, "labels: label words need retrieval or evidence"],
    [{ model: "small" }, 400, "small has no labels of its own; set retrieval or evidence"],
    [{ model: "tiny", explain: true }, 400, "explain needs retrieval or evidence"],
  ])("refuses %j", async (body, status, sentence) => {
    const response = await classify(body);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([
      status,
      expect.stringContaining(sentence),
    ]);
  });

  test.each([
    [{ retrieval: always, labels: undefined }, "labels"],
    [{ retrieval: {} }, "retrieval.index"],
    [{ retrieval: always, evidence: [[]] }, "evidence"],
    [{ model: "labels", retrieval: always }, "model"],
    [{ explain: true }, "explain"],
  ])("the refusal of %j names the field", async (body, param) => {
    expect((await jsonOf(classify(body))).error.param).toBe(param);
  });

  test("a key uses only the indexes in its terms", async () => {
    const { secret } = await server.keys.create("k", ["infer"], termsSchema.parse({ index: ["empty"] }));
    const response = await fetch(`${server.url}/v1/classify`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model: "small", input: "x", labels: ["sports", "finance"], retrieval: always }),
    });
    expect(response.status).toBe(404);
  });
});

test("in a pool with room for one model, requests that search by another do not wait for themselves", async () => {
  const [, folder] = TINY[1]!.split("=") as [string, string];
  const copy = path.join(home, "copy");
  cpSync(folder, copy, { recursive: true });
  const indexes = await Indexes.open(["vectors"], undefined);
  const small = await serveModels([TINY[1]!, `copy=${copy}`], { indexes, memory: 1e5 });
  const retrieval = { index: "vectors", when: "always", retriever: "dense" };
  const body = { model: "copy", input: "Zun and Borvo", labels: ["sports", "finance"], retrieval };
  const answers = Array.from({ length: 20 }, () => jsonOf(post(small, "/v1/classify", body)));
  expect((await Promise.all(answers)).map(({ data }) => data?.length)).toEqual(Array(20).fill(1));
  const { data: models } = await jsonOf(fetch(`${small.url}/v1/models`));
  expect(models.filter(({ loaded }: { loaded: unknown[] }) => loaded.length > 0)).toHaveLength(1);
  await small.stop(0);
});
