import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createIndex } from "../index.ts";
import { receiptSchema } from "../ledger/receipt.ts";
import { Indexes } from "./indexes.ts";
import { termsSchema } from "./keys/terms.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

const documents = [
  { id: "a", title: "Fruit", text: "Apples grow on trees.", categories: ["Food"], metadata: { page: 3 } },
  { id: "b", text: "The train is late again." },
];
const home = mkdtempSync(path.join(tmpdir(), "modicum-search-"));
const before = process.env["MODICUM_HOME"];

let server: Testing;
let lexicalOnly: Testing;
beforeAll(async () => {
  process.env["MODICUM_HOME"] = home;
  const [name, folder] = TINY[1]!.split("=") as [string, string];
  for (const [index, embedding] of [
    ["notes", folder],
    ["terms", "none"],
  ] as const) {
    await using created = await createIndex(index, { embedding });
    await created.add(documents);
  }
  server = await serveModels([`${name}=${folder}`], { indexes: await Indexes.open(["notes", "terms"], undefined) });
  lexicalOnly = await serveModels([TINY[0]!], { indexes: await Indexes.open(["notes"], undefined) });
});
afterAll(async () => {
  await server.stop(0);
  await lexicalOnly.stop(0);
  if (before === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = before;
  rmSync(home, { recursive: true });
});

const search = (body: object, to = server) => post(to, "/v1/search", { index: "notes", query: "apple trees", ...body });

describe("POST /v1/search", () => {
  test("by terms: the fields of the best document, and a receipt without a model's work", async () => {
    const { results, receipt, usage } = await jsonOf(search({ by: "bm25", top: 1 }));
    expect(results).toEqual([{ ...documents[0], score: expect.any(Number) }]);
    expect(receiptSchema.parse(receipt)).toMatchObject({ model: "bm25", work: { retrievals: { dense: 1, run: 1 } } });
    expect(usage.prompt_tokens).toBe(0);
  });

  test("by vectors, and both by default: the query's embedding is billed, and the receipt stored", async () => {
    const dense = await jsonOf(search({ by: "dense" }));
    expect(dense.results).toHaveLength(2);
    expect(dense.receipt.flops.spent).toBeGreaterThan(1000);
    const hybrid = await jsonOf(search({}));
    expect(hybrid.results[0].score).toBeCloseTo(1 / 61 + 1 / (60 + rankOf(dense.results, hybrid.results[0].id)), 12);
    const { id } = receiptSchema.parse(hybrid.receipt);
    expect(await jsonOf(fetch(`${server.url}/v1/receipts/${id}`))).toEqual(hybrid.receipt);
  });

  test.each([
    [{ index: "note" }, 404, 'no index is called "note" here; did you mean "notes"?'],
    [{ query: "" }, 400, "query"],
    [{ top: 0 }, 400, "top"],
    [{ by: "colour" }, 400, "by"],
    [{ index: "terms", by: "dense" }, 400, "the index terms has no vectors; search it with bm25"],
    [{ max_flops: 1 }, 400, "FLOPs"],
  ])("refuses %j", async (body, status, sentence) => {
    const response = await search(body);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([
      status,
      expect.stringContaining(sentence),
    ]);
  });

  test("a server without the index's model searches by terms alone", async () => {
    expect((await search({ by: "bm25" }, lexicalOnly)).status).toBe(200);
    const { error } = await jsonOf(search({ by: "dense" }, lexicalOnly));
    expect(error.message).toContain("of a model that this server does not serve");
  });

  test("a key searches the indexes in its terms, and does not learn of others", async () => {
    const { secret } = await server.keys.create("k", ["infer"], termsSchema.parse({ index: ["terms"] }));
    const searchIn = (index: string) =>
      fetch(`${server.url}/v1/search`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
        body: JSON.stringify({ index, query: "apples" }),
      });
    expect([(await searchIn("terms")).status, (await searchIn("notes")).status]).toEqual([200, 404]);
    expect((await search({})).status).toBe(401);
  });
});

const rankOf = (results: readonly { id: string }[], id: string): number =>
  results.findIndex((result) => result.id === id) + 1;
