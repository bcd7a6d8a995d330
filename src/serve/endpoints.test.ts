import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../index.ts";
import { receiptSchema } from "../ledger/receipt.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(TINY);
});
afterAll(() => server.stop(0));

/** Posts a request and expects status 200. */
// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested
async function answered(path: string, body: object): Promise<any> {
  const response = await post(server, path, body);
  const answer = await jsonOf(response);
  expect([response.status, answer]).toEqual([200, answer]);
  if ("receipt" in answer) receiptSchema.parse(answer.receipt);
  return answer;
}
const get = (path: string) => jsonOf(fetch(server.url + path));

/** Runs the library directly, for comparison. */
async function direct<T>(spec: string, use: (model: Awaited<ReturnType<typeof load>>) => Promise<T>): Promise<T> {
  using model = await load(spec.slice(spec.indexOf("=") + 1));
  return await use(model);
}

describe("completions", () => {
  const request = { model: "tiny", prompt: "abc", max_tokens: 6, temperature: 0 };

  test("continue as in the library, whole and streamed", async () => {
    const expected = await direct(TINY[0]!, (model) => model.complete("abc", { maxTokens: 6, raw: true }));
    const answer = await answered("/v1/completions", request);
    expect(answer.choices).toEqual([{ index: 0, text: expected.text, logprobs: null, finish_reason: "length" }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: expected.receipt.tokens.prompt, completion_tokens: 6 });
    const events = await streamed("/v1/completions", { ...request, stream: true });
    expect(events.map((e) => e.choices[0].text).join("")).toBe(expected.text);
    expect(events.filter((e) => "receipt" in e)).toEqual([events.at(-1)]);
    expect(events.at(-1).choices[0].finish_reason).toBe("length");
  });

  test("several answers to several prompts are one request with one receipt", async () => {
    const answer = await answered("/v1/completions", {
      ...request,
      prompt: ["abc", "xyz"],
      n: 2,
      seed: 5,
      temperature: 1,
    });
    const one = async (prompt: string, seed: number) =>
      (await answered("/v1/completions", { ...request, prompt, seed, temperature: 1 })).choices[0].text;
    const expected = [await one("abc", 5), await one("abc", 6), await one("xyz", 5), await one("xyz", 6)];
    expect(answer.choices.map((c: { text: string }) => c.text)).toEqual(expected);
    expect(answer.choices.map((c: { index: number }) => c.index)).toEqual([0, 1, 2, 3]);
    expect(answer.receipt.tokens.completion).toBe(24);
    expect(answer.receipt.work.calls).toEqual({ tiny: { dense: 4, run: 4 } });
    expect(await get(`/v1/receipts/${answer.receipt.id}`)).toEqual(answer.receipt);
  });

  test("each token has log-probabilities", async () => {
    const { choices } = await answered("/v1/completions", { ...request, logprobs: 2 });
    const { tokens, token_logprobs: chosen, top_logprobs: top } = choices[0].logprobs;
    expect([tokens.length, chosen.length, top.length]).toEqual([6, 6, 6]);
    expect(tokens.join("")).toBe(choices[0].text);
    for (const [i, entry] of top.entries()) expect(chosen[i]).toBe(Math.max(...(Object.values(entry) as number[])));
  });
});

/** The events of a stream, which must end with `[DONE]`. */
// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested
async function streamed(path: string, body: object): Promise<any[]> {
  const response = await post(server, path, body);
  expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
  const lines = (await response.text()).trimEnd().split("\n\n");
  expect(lines.pop()).toBe("data: [DONE]");
  return lines.map((line) => JSON.parse(line.replace(/^data: /, "")));
}

describe("embeddings", () => {
  const texts = ["A man is eating food.", "b"];

  test("equal the library's, as numbers and as base64", async () => {
    const { embeddings } = await direct(TINY[1]!, (model) => model.embed(texts));
    const { data } = await answered("/v1/embeddings", { model: "sentences", input: texts });
    expect(data.map((d: { embedding: number[] }) => d.embedding)).toEqual(embeddings.map((e) => [...e]));
    const packed = await answered("/v1/embeddings", { model: "sentences", input: texts[0], encoding_format: "base64" });
    const bytes = Buffer.from(packed.data[0].embedding, "base64");
    const floats = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    expect(Math.max(...floats.map((v, i) => Math.abs(v - embeddings[0]![i]!)))).toBeLessThan(1e-5);
  });

  test("of token ids equal their text's, and cost the same", async () => {
    const ids = await direct(TINY[1]!, async ({ encoder: { tokenizer, settings } }) =>
      texts.map((text) => tokenizer.input(settings.prompt + (settings.lowercase ? text.toLowerCase() : text)).ids),
    );
    const vectors = async (input: unknown): Promise<[number[][], number]> => {
      const { data, usage } = await answered("/v1/embeddings", { model: "sentences", input });
      return [data.map((d: { embedding: number[] }) => d.embedding), usage.prompt_tokens];
    };
    const expected = await vectors(texts);
    expect(await vectors(ids)).toEqual(expected);
    expect(await vectors([texts[0], ids[1]])).toEqual(expected);
    expect(await vectors(ids[1])).toEqual([[expected[0][1]], ids[1]!.length]);
  });

  test.each([Array(5000).fill(5), "food ".repeat(5000)])(
    "longer than the model's limit are refused unless cut",
    async (input) => {
      const request = { model: "sentences", input };
      for (const fields of [{}, { truncate: false }, { truncate: "NONE" }]) {
        const response = await post(server, "/v1/embeddings", { ...request, ...fields });
        const { error } = await jsonOf(response);
        expect([response.status, error.code]).toEqual([400, "context_length_exceeded"]);
        expect(error.message).toMatch(
          /^text 1 has \d+ tokens, but the model reads at most \d+; expected fewer, or truncate$/,
        );
      }
      const cut = [{ truncate: true }, { truncate: "END" }, { truncation: true }, { truncate_prompt_tokens: -1 }];
      const all = await Promise.all(cut.map((fields) => answered("/v1/embeddings", { ...request, ...fields })));
      for (const { data } of all) expect(data).toEqual(all[0].data);
      const few = await answered("/v1/embeddings", { ...request, truncate_prompt_tokens: 7 });
      expect(few.usage.prompt_tokens).toBe(7);
    },
  );

  test("are cut to fewer dimensions, with length 1", async () => {
    const [whole, cut] = await Promise.all(
      [undefined, 5].map((dimensions) =>
        answered("/v1/embeddings", { model: "sentences", input: texts[0], dimensions }),
      ),
    );
    const [all, some] = [whole.data[0].embedding as number[], cut.data[0].embedding as number[]];
    const length = Math.hypot(...all.slice(0, 5));
    expect(some).toHaveLength(5);
    for (const [i, value] of some.entries()) expect(value).toBeCloseTo(all[i]! / length, 5);
  });
});

describe("ranks", () => {
  const [query, documents] = ["food", ["A man is eating food.", { text: "b" }, "The food is good."]];
  const texts = ["A man is eating food.", "b", "The food is good."];
  interface Ranked {
    index: number;
    relevance_score: number;
  }

  test.each(["/v1/rerank", "/v2/rerank", "/rerank"])("%s: by a cross-encoder's relevance, best first", async (path) => {
    const { scores } = await direct(TINY[2]!, (model) => model.relevance(query, texts));
    const { results } = await answered(path, { model: "ranker", query, documents, top_n: 2, return_documents: true });
    const best = [...scores.entries()].sort(([, a], [, b]) => b - a).slice(0, 2);
    expect(results.map((r: Ranked) => r.index)).toEqual(best.map(([index]) => index));
    for (const [i, { index, relevance_score, document }] of results.entries()) {
      expect(relevance_score).toBeCloseTo(best[i]![1], 5);
      expect(document).toEqual({ text: texts[index] });
    }
  });

  test("by the cosines of embeddings if the model embeds", async () => {
    const { results } = await answered("/v1/rerank", { model: "sentences", query: texts[2], documents });
    expect(results).toHaveLength(3);
    expect(results[0].index).toBe(2);
    expect(results[0].relevance_score).toBeCloseTo(1, 5);
    expect(results[0]).not.toHaveProperty("document");
  });

  test("by yes and no if the model generates", async () => {
    const { scores } = await direct(TINY[0]!, (model) => model.relevance(query, texts));
    const { results, receipt } = await answered("/v1/rerank", { model: "tiny", query, documents });
    expect(results.map((r: Ranked) => r.relevance_score)).toEqual(
      scores.toSorted((a, b) => b - a).map((score) => expect.closeTo(score, 4)),
    );
    expect(receipt.work.calls).toEqual({ tiny: { dense: 1, run: 1 } });
  });

  test("by some fields of the documents, which come back whole", async () => {
    const [good, odd] = [{ title: "food", body: "The food is good.", n: 3 }, { title: "b" }];
    const fields = { documents: [odd, good], rank_fields: ["title", "body", "n"], return_documents: true };
    const { results } = await answered("/v1/rerank", { model: "ranker", query, ...fields });
    const read = ["title: b", "title: food\nbody: The food is good.\nn: 3"];
    const { scores } = await direct(TINY[2]!, (model) => model.relevance(query, read));
    for (const { index, relevance_score, document } of results) {
      expect(relevance_score).toBeCloseTo(scores[index]!, 5);
      expect(document).toEqual([odd, good][index]);
    }
  });

  test("by a limited number of tokens of each document, on request", async () => {
    const [long, cut] = ["The food is good. A man is eating.", "The food is"];
    const scores = async (more: object) => {
      const { results } = await answered("/v2/rerank", { model: "ranker", query, documents: [long, "b"], ...more });
      return results.map((r: Ranked) => [r.index, r.relevance_score]);
    };
    const { scores: short } = await direct(TINY[2]!, (model) => model.relevance(query, [cut, "b"]));
    const truncated = Object.fromEntries(await scores({ max_tokens_per_doc: 3 }));
    for (const i of [0, 1]) expect(truncated[i]).toBeCloseTo(short[i]!, 5);
    expect(await scores({ max_tokens_per_doc: 3 })).not.toEqual(await scores({}));
    expect(await scores({ max_tokens_per_doc: 1000 })).toEqual(await scores({}));
  });

  test.each(["/rerank", "/v1/rerank"])("%s: TEI's texts, in TEI's form", async (path) => {
    const { results } = await answered(path, { model: "ranker", query, documents });
    const ranked = await answered(path, { model: "ranker", query, texts, return_text: true });
    expect(ranked).toEqual(
      results.map(({ index, relevance_score: score }: Ranked) => ({ index, score, text: texts[index] })),
    );
    const [best] = await answered(path, { model: "ranker", query, texts, raw_scores: false });
    expect(best).toEqual({ index: results[0].index, score: results[0].relevance_score });
  });

  test.each([{}, { documents, texts }])("documents or texts are required, not both: %j", async (fields) => {
    const response = await post(server, "/rerank", { model: "ranker", query, ...fields });
    const { error } = await jsonOf(response);
    expect([response.status, error.message]).toEqual([400, expect.stringContaining("either documents or texts")]);
  });

  test.each(["ranker", "sentences", "tiny"])(
    "by %s: documents that are too long are refused unless cut",
    async (model) => {
      const request = { model, query: "food", documents: ["x ".repeat(5000)] };
      const response = await post(server, "/v1/rerank", request);
      const { code, message } = (await jsonOf(response)).error;
      expect([response.status, code]).toEqual([400, "context_length_exceeded"]);
      expect(message).toMatch(/^document 1(, with the query,)? has \d+ tokens, but the model reads at most \d+/);
      const cut = [{ truncate: true }, { truncate_prompt_tokens: -1 }, { max_tokens_per_doc: 4096 }];
      for (const fields of cut)
        expect((await answered("/v1/rerank", { ...request, ...fields })).results).toHaveLength(1);
    },
  );

  test("a query that is too long is reported as the query", async () => {
    const response = await post(server, "/v1/rerank", { model: "sentences", query: "x ".repeat(5000), documents });
    expect((await jsonOf(response)).error.message).toMatch(/^the query has \d+ tokens, but the model reads/);
  });

  test("in the form of each version of Cohere's API", async () => {
    const meta = async (path: string) => (await answered(path, { model: "ranker", query, documents })).meta;
    const form = (version: string) => ({ api_version: { version }, billed_units: { search_units: 1 } });
    expect([await meta("/v1/rerank"), await meta("/v2/rerank")]).toEqual([form("1"), form("2")]);
  });
});

test("classes equal the library's, with given labels as well", async () => {
  const { results } = await direct(TINY[3]!, (model) => model.classify(["fine"], { labels: ["negative", "neutral"] }));
  const { data } = await answered("/v1/classify", { model: "labels", input: "fine", labels: ["negative", "neutral"] });
  expect(data).toEqual([{ index: 0, ...results[0] }]);
});

test("a generating model's classes are the given labels by likelihood", async () => {
  const labels = ["good", "bad"];
  const { results } = await direct(TINY[0]!, (model) => model.classify(["fine"], { labels }));
  const { data } = await answered("/v1/classify", { model: "tiny", input: "fine", labels });
  const { label, scores } = results[0]!;
  const close = Object.fromEntries(Object.entries(scores).map(([name, score]) => [name, expect.closeTo(score, 4)]));
  expect(data).toEqual([{ index: 0, label, scores: close }]);
});

describe("information about the server", () => {
  test("models, savings, recipes", async () => {
    const { data: models } = await get("/v1/models");
    expect(models.map((m: { id: string }) => m.id)).toEqual(["tiny", "sentences", "ranker", "labels"]);
    expect(models.map((m: { kind: string }) => m.kind)).toEqual(["decoder", "encoder", "encoder", "encoder"]);
    expect(await get("/v1/models/tiny")).toEqual(models[0]);
    const { data: savings } = await get("/v1/savings");
    const saving = { name: "xattention", needs: ["attention"], options: expect.objectContaining({ type: "object" }) };
    expect(savings).toContainEqual(expect.objectContaining(saving));
    expect(savings).toContainEqual(expect.objectContaining({ kind: "pipeline", name: "route", models: [] }));
    const takers = Object.fromEntries(
      savings.map(({ name, models }: { name: string; models: string[] }) => [name, models]),
    );
    expect([takers["lookup"], takers["exit"]]).toEqual([["tiny"], []]);
    expect((await get("/v1/recipes")).object).toBe("list");
  });

  test("receipts by time and model, and their sum", async () => {
    const before = (await get("/v1/receipts?model=labels")).sum.receipts;
    const { receipt } = await answered("/v1/classify", { model: "labels", input: "fine" });
    const { data, sum } = await get("/v1/receipts?model=labels&since=1h&limit=1");
    expect([data, sum.receipts]).toEqual([[receipt], before + 1]);
    expect((await get("/v1/receipts?since=2999-01-01")).sum.receipts).toBe(0);
  });

  test("metrics count tokens, FLOPs and answers", async () => {
    const measured = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return (name: string) => Number(new RegExp(`^${name}\\{[^}]*"tiny"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
    };
    const earlier = await measured();
    const { receipt } = await answered("/v1/completions", {
      model: "tiny",
      prompt: "abc",
      max_tokens: 3,
      temperature: 0,
    });
    const later = await measured();
    const grown = (name: string) => later(name) - earlier(name);
    expect(grown("vllm:generation_tokens_total")).toBe(3);
    expect(grown("modicum:flops_spent_total")).toBeCloseTo(receipt.flops.spent, 0);
    expect(grown("modicum:decode_tokens_total")).toBe(3);
    expect(grown("modicum:decode_seconds_total")).toBeCloseTo(receipt.ms.decode / 1000, 6);
    expect(grown("vllm:time_to_first_token_seconds_count")).toBe(1);
    expect(grown("vllm:inter_token_latency_seconds_count")).toBe(2);
    expect(grown("vllm:prefix_cache_queries_total")).toBe(receipt.tokens.prompt);
    expect(later("vllm:num_requests_running")).toBe(0);
    expect(later("vllm:kv_cache_usage_perc")).toBe(0);
    expect(later("modicum:kv_cache_bytes")).toBeGreaterThan(0);
  });

  test("metrics time each answer separately", async () => {
    const measured = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return (name: string) =>
        Number(new RegExp(`^vllm:${name}_seconds_count\\{[^}]*"tiny"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
    };
    const earlier = await measured();
    await answered("/v1/completions", { model: "tiny", prompt: "abc", max_tokens: 3, n: 4, temperature: 0 });
    const later = await measured();
    const grown = (name: string) => later(name) - earlier(name);
    expect(
      ["time_to_first_token", "request_queue_time", "inter_token_latency", "e2e_request_latency"].map(grown),
    ).toEqual([4, 4, 8, 1]);
  });

  test("health, readiness, and the description of it all", async () => {
    expect([await get("/health"), await get("/ready")]).toEqual([{ status: "ok" }, { status: "ok" }]);
    const { openapi, paths } = await get("/openapi.json");
    expect(openapi).toBe("3.1.0");
    expect(paths["/v1/chat/completions"].post.requestBody.content["application/json"].schema.required).toEqual([
      "messages",
    ]);
    expect(paths["/v1/receipts"].get.parameters.map((p: { name: string }) => p.name)).toContain("since");
    expect(await (await fetch(server.url)).text()).toBe("Modicum 0.0.0: see /docs, or /openapi.json for programs\n");
    const page = await fetch(`${server.url}/docs`);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(await page.text()).toContain("POST /v1/rerank");
  });

  test("the log holds no prompt texts", () => {
    expect(server.logged.join("")).not.toMatch(/eating food|"abc"/);
  });

  test("the log has prompts on request, and still no text of answers", async () => {
    const telling = await serveModels(TINY.slice(0, 1), { logPrompts: true });
    const request = { model: "tiny", prompt: "abc", max_tokens: 5, temperature: 0 };
    const answer = await jsonOf(post(telling, "/v1/completions", request));
    await telling.stop(0);
    const lines = telling.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "a request");
    expect(lines).toMatchObject([{ path: "/v1/completions", request }]);
    expect(JSON.stringify(lines)).not.toContain(JSON.stringify(answer.choices[0].text));
  });
});
