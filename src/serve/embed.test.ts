import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiptSchema } from "../ledger/receipt.ts";
import { bigAt, startVllm, type Vllm } from "./fleet/vllm.testing.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
let vllm: Vllm;
beforeAll(async () => {
  vllm = await startVllm();
  server = await serveModels([TINY[1]!], {}, [await bigAt(vllm.url)]);
});
afterAll(async () => {
  await server.stop(0);
  vllm.stop();
});

const texts = ["A man is eating food.", "b"];
const request = { model: "sentences", texts, input_type: "search_document" };
const embed = (version: number, more: object = {}) => post(server, `/v${version}/embed`, { ...request, ...more });

/** The vectors from `POST /v1/embeddings`. */
async function vectors(more: object = {}): Promise<number[][]> {
  const { data } = await jsonOf(post(server, "/v1/embeddings", { model: "sentences", input: texts, ...more }));
  return data.map(({ embedding }: { embedding: number[] }) => embedding);
}

test("a prompt of the model is selected by name", async () => {
  expect(await vectors({ prompt_name: "query" })).toEqual(await vectors());
  const answer = await post(server, "/v1/embeddings", { model: "sentences", input: texts, prompt_name: "title" });
  expect(answer.status).toBe(400);
  expect(await jsonOf(answer)).toMatchObject({
    error: { message: 'sentences has no prompt "title", expected one of document, query' },
  });
});

describe("embed in Cohere's form", () => {
  test("of its first version: lists of numbers, or by type if types are named", async () => {
    const base = { texts, meta: { api_version: { version: "1" } } };
    const plain = await jsonOf(embed(1));
    expect(plain).toMatchObject({ ...base, response_type: "embeddings_floats", embeddings: await vectors() });
    const typed = await jsonOf(embed(1, { embedding_types: ["float"] }));
    expect(typed).toMatchObject({ ...base, response_type: "embeddings_by_type" });
    expect(typed.embeddings).toEqual({ float: plain.embeddings });
  });

  test("of its second version: by type, with usage and a stored receipt", async () => {
    const float = await vectors();
    const answer = await jsonOf(embed(2));
    expect(answer).toMatchObject({ response_type: "embeddings_by_type", texts, embeddings: { float } });
    const { prompt_tokens: tokens } = answer.usage;
    expect(answer.meta).toEqual({ api_version: { version: "2" }, billed_units: { input_tokens: tokens } });
    const receipt = receiptSchema.parse(answer.receipt);
    expect(await jsonOf(fetch(`${server.url}/v1/receipts/${receipt.id}`))).toEqual(receipt);
  });

  test("packed as base64, with fewer dimensions, with inputs instead of texts", async () => {
    const inputs = texts.map((text) => ({ content: [{ type: "text", text }] }));
    const more = { texts: undefined, inputs, embedding_types: ["base64"], output_dimension: 5 };
    const { embeddings, texts: read } = await jsonOf(embed(2, more));
    const floats = embeddings.base64.map((packed: string) => {
      const bytes = Buffer.from(packed, "base64");
      return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    });
    expect([Object.keys(embeddings), floats, read]).toEqual([["base64"], await vectors({ dimensions: 5 }), texts]);
  });

  test("a text that is too long is cut, unless truncate is NONE", async () => {
    const long = ["food ".repeat(2000)];
    expect((await jsonOf(embed(2, { texts: long }))).embeddings.float).toHaveLength(1);
    const response = await embed(2, { texts: long, truncate: "NONE" });
    expect([response.status, (await jsonOf(response)).error.code]).toEqual([400, "context_length_exceeded"]);
  });

  test("by a model on other servers", async () => {
    const { embeddings, receipt } = await jsonOf(embed(2, { model: "big", texts: ["x"] }));
    expect([embeddings, receipt.model]).toEqual([{ float: [[0.6, 0.8]] }, "big"]);
    expect(vllm.got.at(-1)!.body).toMatchObject({ model: "org/Big", input: ["x"] });
  });
});

test.each([
  [{ embedding_types: ["int8"] }, "embedding_types.0", /expected "float" or "base64": models here return no quantized/],
  [{ images: ["data:image/png;base64,AA=="] }, "images", /expected none: models here read text/],
  [{ input_type: "image" }, "input_type", /models here read text/],
  [{ inputs: [{ content: [{ type: "image_url" }] }], texts: null }, "inputs.0.content.0.type", /expected "text"/],
  [{ texts: null }, "texts", /expected either texts or inputs/],
  [{ texts: ["a", ""] }, "texts.1", /must not be empty/],
  [{ truncate: "START" }, "truncate", /expected "END" or "NONE"/],
  [{ max_tokens: 5 }, "max_tokens", /not supported: texts are read/],
  [{ output_dimension: 9999 }, "output_dimension", /the model has/],
  [{ embedding_type: ["float"] }, "embedding_type", /did you mean "embedding_types"/],
])("%j is refused by its field", async (more, param, sentence) => {
  const response = await embed(2, more);
  const { error } = await jsonOf(response);
  expect([response.status, error.param, error.message]).toEqual([400, param, expect.stringMatching(sentence)]);
  expect(error.message).toMatch(new RegExp(`^${param}: `));
});
