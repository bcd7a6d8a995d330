/** Requests that name no model. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { USUAL_RERANKER } from "../weights/sources/aliases.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWithTemplate } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-only-"));
const chats = path.join(folder, "chats.gguf");
beforeAll(() => writeFileSync(chats, tinyWithTemplate("{% for m in messages %}{{ m.content }}{% endfor %}")));
afterAll(() => rmSync(folder, { recursive: true }));

async function withServer(models: readonly string[], use: (server: Testing) => Promise<void>): Promise<void> {
  const server = await serveModels(models);
  try {
    await use(server);
  } finally {
    await server.stop(0);
  }
}

const messages = [{ role: "user", content: "once upon" }];
const documents = ["a lighthouse", "a keeper"];

test.each([
  ["/v1/chat/completions", chats, { messages, max_tokens: 1 }],
  ["/v1/completions", chats, { prompt: "once", max_tokens: 1 }],
  ["/v1/responses", chats, { input: "once", max_output_tokens: 1 }],
  ["/v1/embeddings", TINY[1]!, { input: "once" }],
  ["/v2/embed", TINY[1]!, { texts: ["once"], input_type: "search_query", embedding_types: ["float"] }],
  ["/rerank", TINY[2]!, { query: "once", texts: documents }],
  ["/v1/rerank", TINY[2]!, { query: "once", documents }],
  ["/v1/classify", TINY[3]!, { input: "once" }],
])("%s of a server with one model needs no name", async (at, model, body) => {
  await withServer([model], async (server) => {
    const answers = [{}, { model: "" }].map((named) => post(server, at, { ...named, ...body }));
    for (const response of await Promise.all(answers)) {
      expect([response.status, await response.clone().json()]).toMatchObject([200, {}]);
      expect(response.headers.has("x-ignored-fields")).toBe(false);
    }
  });
});

test("another name is refused, and a misspelt field still has its hint", async () => {
  await withServer([TINY[0]!], async (server) => {
    const body = { prompt: "once", max_tokens: 1 };
    const other = await post(server, "/v1/completions", { ...body, model: "gpt-4o" });
    expect([other.status, (await jsonOf(other)).error.message]).toEqual([
      404,
      'no model is called "gpt-4o" here; there are: tiny',
    ]);
    const slip = await post(server, "/v1/completions", { ...body, modle: "tiny" });
    expect((await jsonOf(slip)).error.message).toBe('modle: there is no such field; did you mean "model"?');
    const named = await jsonOf(post(server, "/v1/completions", body));
    expect([named.model, named.receipt.model]).toEqual(["tiny", "tiny"]);
  });
});

test("with several, a request is told their names", async () => {
  await withServer([TINY[0]!, TINY[1]!], async (server) => {
    for (const [at, body] of [
      ["/v1/completions", { prompt: "once" }],
      ["/v1/embeddings", { input: "once", model: "" }],
    ] as const) {
      const refused = await post(server, at, body);
      expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
        400,
        "model: expected one of tiny, sentences, got nothing",
      ]);
    }
  });
});

test("with several, a ranking without a name uses the default reranker, if it is served", async () => {
  const usual = TINY[2]!.replace(/^[^=]*=/, `${USUAL_RERANKER}=`);
  await withServer([TINY[0]!, usual], async (server) => {
    const body = { query: "once", documents };
    const [unnamed, named] = await Promise.all(
      [body, { ...body, model: USUAL_RERANKER }].map((it) => jsonOf(post(server, "/v2/rerank", it))),
    );
    expect([unnamed.model, unnamed.receipt.model]).toEqual([USUAL_RERANKER, USUAL_RERANKER]);
    expect(unnamed.results).toEqual(named.results);
  });
  await withServer([TINY[0]!, TINY[2]!], async (server) => {
    const refused = await post(server, "/v1/rerank", { query: "once", documents });
    expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
      400,
      "model: expected one of tiny, ranker, got nothing",
    ]);
  });
});
