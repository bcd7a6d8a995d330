import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const folder = fileURLToPath(new URL("../engine/fixtures/colbert", import.meta.url));
/** Reference scores from PyLate: tools/reference/late_interaction.py. */
const { query, texts, scores } = JSON.parse(readFileSync(`${folder}/task.json`, "utf8")) as {
  query: string;
  texts: string[];
  scores: number[];
};

let server: Testing;
beforeAll(async () => {
  server = await serveModels([`late=${folder}`]);
});
afterAll(() => server.stop(0));

test("documents are ranked token by token, with a receipt", async () => {
  const body = { model: "late", query, documents: texts };
  const { error } = await jsonOf(post(server, "/v1/rerank", body));
  expect(error.message).toMatch(/^document 4 has 32 tokens, but the model reads at most 24/);
  const { results, receipt } = await jsonOf(post(server, "/v1/rerank", { ...body, truncate_prompt_tokens: -1 }));
  const best = [...scores.entries()].sort(([, a], [, b]) => b - a);
  expect(results).toEqual(best.map(([index, score]) => ({ index, relevance_score: expect.closeTo(score, 4) })));
  // The query is padded to 16 tokens.
  expect(receipt.tokens.prompt).toBeGreaterThan(16 + 5 * texts.length);
  expect(receipt.flops.spent).toBe(receipt.flops.dense);
});

test("a model that compares tokens does not embed", async () => {
  const answer = await post(server, "/v1/embeddings", { model: "late", input: "soup" });
  expect(answer.status).toBe(400);
  expect((await jsonOf(answer)).error.message).toMatch(/^late compares texts token by token, to rank them/);
});
