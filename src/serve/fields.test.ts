import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completionInput } from "./generation/completion.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
let openai: OpenAI;
beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 2));
  openai = openaiOf(server);
});
afterAll(() => server.stop(0));

const limits = limitOptions.parse({});
const PATH = "/v1/completions";
const text = { model: "tiny", prompt: "x", max_tokens: 4, temperature: 0 };

describe("a schema constrains an answer, in other servers' fields as well", () => {
  const schema = { type: "integer", minimum: 0, maximum: 9 };
  test.each([
    { response_format: { type: "json_schema", json_schema: { name: "n", schema } } },
    { response_format: { type: "json_object", schema } },
    { response_format: { type: "json_schema", json_schema: { schema } } },
    { json_schema: schema },
    { guided_json: schema },
    { guided_json: JSON.stringify(schema) },
    { structured_outputs: { json: schema } },
    { guided_json: schema, response_format: { type: "text" } },
  ])("%j", async (fields) => {
    const { choices } = await jsonOf(post(server, PATH, { ...text, ...fields }));
    expect(choices[0]).toMatchObject({ text: expect.stringMatching(/^\d$/), finish_reason: "stop" });
  });

  test.each([123, { type: 123 }, { type: "hiccup" }])("%j is not a schema, and is refused", async (schema) => {
    const response = await post(server, PATH, { ...text, response_format: { type: "json_object", schema } });
    expect([response.status, (await jsonOf(response)).error.type]).toEqual([400, "invalid_request_error"]);
  });

  test("any object is also possible", () => {
    const { response_format } = completionInput(limits).parse({ ...text, structured_outputs: { json_object: true } });
    expect(response_format).toEqual({ type: "json_object" });
  });

  test("two constraints are refused", async () => {
    const fields = { guided_json: schema, response_format: { type: "json_object" } };
    const response = await post(server, PATH, { ...text, ...fields });
    const { error } = await jsonOf(response);
    expect([response.status, error.param]).toEqual([400, "guided_json"]);
    expect(error.message).toMatch(/^guided_json: expected none with response_format, got /);
  });

  test("an invalid schema is refused", async () => {
    const { error } = await jsonOf(post(server, PATH, { ...text, guided_json: [1] }));
    expect(error.message).toBe("guided_json: expected a JSON schema, or its text, got [1]");
  });
});

test("cache_prompt: false runs the whole prompt again, and caches it for other requests", async () => {
  const prompt = "the same beginning, more than once";
  const cached = async (fields: object) => {
    const { receipt } = await jsonOf(post(server, PATH, { ...text, prompt, ...fields }));
    return [receipt.tokens.cached, receipt.tokens.prompt] as const;
  };
  const [first, length] = await cached({ cache_prompt: false });
  expect(first).toBe(0);
  expect(await cached({ cache_prompt: false })).toEqual([0, length]);
  expect(await cached({})).toEqual([length - 1, length]);
  expect(await cached({ cache_prompt: false, savings: ["lookup"] })).toEqual([0, length]);
});

describe("fields that nothing here reads", () => {
  test.each([false, true])("are listed in a header, stream: %s", async (stream) => {
    const response = await post(server, PATH, { ...text, stream, user: "me", whatever: { deep: [1] } });
    expect([response.status, response.headers.get("x-ignored-fields")]).toEqual([200, "user, whatever"]);
    await response.text();
  });

  test("without them there is no header", async () => {
    const response = await post(server, PATH, text);
    expect(response.headers.has("x-ignored-fields")).toBe(false);
  });

  test.each([
    [PATH, { model: "tiny", prompt: "x", temprature: 0 }, "temprature"],
    [PATH, { ...text, grammar: "root ::= [0-9]" }, "grammar"],
    ["/v1/embeddings", { model: "sentences", input: "x", dimension: 4 }, "dimension"],
    ["/v1/classify", { model: "tiny", input: "x", lables: ["a", "b"] }, "lables"],
    ["/v1/rerank", { model: "tiny", query: "x", documents: ["y"], return_document: true }, "return_document"],
  ])("%s: typos and fields that would change the answer are refused by name: %j", async (path, body, param) => {
    const response = await post(server, path, body);
    expect([response.status, (await jsonOf(response)).error.param]).toEqual([400, param]);
  });

  test("the same holds for a query", async () => {
    const response = await fetch(`${server.url}/v1/receipts?limits=3`);
    expect((await jsonOf(response)).error.message).toBe('limits: there is no such field; did you mean "limit"?');
  });
});

test("answers have the build's fingerprint, whole and streamed", async () => {
  const whole = await openai.completions.create({ ...text, stream: false });
  expect((whole as { system_fingerprint?: string }).system_fingerprint).toBe("build-0.0.0");
  const stream = await openai.completions.create({ ...text, stream: true });
  for await (const chunk of stream)
    expect((chunk as { system_fingerprint?: string }).system_fingerprint).toBe("build-0.0.0");
});

describe("each answer has an id", () => {
  test("the openai client shows it, and the log has it", async () => {
    const { _request_id: id } = await openai.completions.create({ ...text, stream: false });
    expect(id).toMatch(/^[\da-f-]{36}$/);
    expect(server.logged.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining({ id, status: 200 }));
    const failed = await openai.completions.create({ ...text, model: "none" }).catch((error) => error);
    expect([failed.status, failed.requestID]).toEqual([404, expect.stringMatching(/^[\da-f-]{36}$/)]);
    expect(failed.requestID).not.toBe(id);
  });

  test.each([
    ["abc-1.2:3", /^abc-1\.2:3$/],
    ["a b", /^[\da-f-]{36}$/],
    ["x".repeat(200), /^[\da-f-]{36}$/],
  ])("a plain id of the client's is used: %s", async (value, pattern) => {
    const headers = { "x-request-id": value };
    for (const path of ["/health", "/nothing", "/docs", "/v1/models"])
      expect((await fetch(server.url + path, { headers })).headers.get("x-request-id")).toMatch(pattern);
  });
});
