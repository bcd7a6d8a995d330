import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../weights/json.ts";
import { termsSchema } from "../keys/terms.ts";
import { jsonOf, post, serveModels, type Testing } from "../serve.testing.ts";
import type { RemoteOptions } from "./file.ts";
import { LENGTHS } from "./lengths.ts";
import { bigAt, startVllm, type Vllm } from "./vllm.testing.ts";

let [front, vllm, secret]: [Testing, Vllm, string] = [] as never;
beforeAll(async () => {
  vllm = await startVllm();
  const big = { ...(await bigAt(vllm.url)), health: { interval: 3600, timeout: 5, failures: 3 } };
  const open: RemoteOptions = { ...big, name: "open", pass: ["cache_salt"] };
  const wordy: RemoteOptions = { ...big, name: "wordy", pass: [...LENGTHS] };
  // Servers other than Modicum fail one check, which does not mark them down.
  front = await serveModels([], { allowAnonymous: true }, [
    big,
    open,
    wordy,
    { ...wordy, name: "far", kind: "modicum" },
  ]);
  secret = (await front.keys.create("five", ["infer"], termsSchema.parse({ maxTokens: 5 }))).secret;
});
afterAll(async () => {
  await front.stop(0);
  vllm.stop();
});
beforeEach(() => void vllm.got.splice(0));

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "Hi" }];

/** The request that the server receives. */
async function got(path: string, body: object, key?: string): Promise<JsonObject> {
  const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
  const response = await fetch(front.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  expect(response.status, await response.clone().text()).toBe(200);
  return vllm.got[0]!.body;
}

const wordy = Object.fromEntries(LENGTHS.map((field) => [field, 2000]));

test.each([
  ["/v1/completions", "wordy", { prompt: "a", ...wordy }, 5],
  ["/v1/completions", "far", { prompt: "a", ...wordy }, 5],
  ["/v1/completions", "far", { prompt: "a", ...wordy, max_completion_tokens: 1 }, 1],
  [CHAT, "wordy", { messages, ...wordy }, 5],
  [CHAT, "far", { messages, ...wordy }, 5],
  [CHAT, "wordy", { messages, ...wordy, max_completion_tokens: 3 }, 3],
  [CHAT, "wordy", { messages, n_predict: -1 }, 5],
])(
  "%s of %s: one field sets an answer's length, and no other raises a key's ceiling",
  async (path, model, body, most) => {
    const { max_tokens, ...rest } = await got(path, { model, ...body }, secret);
    expect(max_tokens).toBe(most);
    expect(Object.keys(rest).filter((field) => LENGTHS.includes(field))).toEqual([]);
  },
);

const ADDRESS = "http://169.254.169.254/latest";
const image = { type: "image_url", image_url: { url: ADDRESS } };

describe("only known fields go to other servers", () => {
  test("fields of chats", async () => {
    const chat_template_kwargs = { enable_thinking: false };
    const known = { temperature: 0.5, min_p: 0.1, seed: 1, reasoning_effort: "low", user: "u", chat_template_kwargs };
    const odd = { kv_transfer_params: { remote_host: ADDRESS }, mm_processor_kwargs: {}, media: ADDRESS };
    const cache_salt = "x";
    const turns = [{ role: "user", content: [{ type: "text", text: "Hi", image: "x" }], video: "x" }];
    const clean = [{ role: "user", content: [{ type: "text", text: "Hi" }] }];
    const base = { model: "org/Big", messages: clean, max_tokens: 2048, ...known };
    expect(await got(CHAT, { model: "big", messages: turns, ...known, ...odd, cache_salt })).toEqual(base);
    vllm.got.length = 0;
    expect(await got(CHAT, { model: "open", messages: turns, ...known, ...odd, cache_salt })).toEqual({
      ...base,
      cache_salt,
    });
  });

  test.each([
    ["prompt_embeds", "AAAA"],
    ["chat_template", "{{ x }}"],
    ["guided_regex", "(a+)+"],
    ["n_predict", 5],
  ])("not %s, which would change the answer: it is refused", async (field, value) => {
    const refused = await post(front, CHAT, { model: "big", messages, [field]: value });
    expect([refused.status, (await jsonOf(refused)).error.param, vllm.got]).toEqual([400, field, []]);
  });

  test("fields that they do not get are reported", async () => {
    const response = await post(front, CHAT, { model: "big", messages, user: "u", media: ADDRESS });
    expect(response.headers.get("x-ignored-fields")).toBe("media");
  });

  test("a schema in another server's field, under OpenAI's name", async () => {
    const schema = { type: "integer" };
    const { response_format, ...rest } = await got(CHAT, { model: "big", messages, guided_json: schema });
    expect(response_format).toEqual({ type: "json_schema", json_schema: { name: "answer", schema } });
    expect(rest).not.toHaveProperty("guided_json");
  });

  test("fields of completions, with prompts as lists", async () => {
    const request = { echo: true, logprobs: 1, max_tokens: 0, best_of: 2, n: 1 };
    const body = { model: "big", prompt: [1, 2, 3], ...request, prompt_logprobs: 1 };
    expect(await got("/v1/completions", body)).toEqual({ model: "org/Big", prompt: [[1, 2, 3]], ...request });
    vllm.got.length = 0;
    expect(await got("/v1/completions", { model: "big", prompt: "a", suffix: "b" })).toMatchObject({
      ...{ prompt: ["a"], suffix: "b" },
    });
  });

  test("texts to rank or to embed", async () => {
    const documents = ["a", { text: "b", content: [image] }];
    const ranked = { query: "q", documents, image: ADDRESS, messages: [{ role: "user", content: [image] }] };
    const plain = { model: "org/Big", query: "q", documents: ["a", "b"] };
    expect(await got("/v1/rerank", { model: "big", ...ranked })).toEqual(plain);
    vllm.got.length = 0;
    const vectors = { model: "big", input: "x", messages: [{ role: "user", content: [image] }] };
    expect(await got("/v1/embeddings", vectors)).toEqual({ model: "org/Big", input: ["x"] });
  });
});

test.each([
  ["/v1/rerank", { query: "q", documents: [{ content: [image] }] }, "documents.0.text"],
  [CHAT, { messages: [{ role: "user", content: [image] }] }, "messages.0.content.0.image_url.url"],
  [
    CHAT,
    { messages: [{ role: "user", content: [{ ...image, type: "text", text: "" }] }] },
    "messages.0.content.0.image_url.url",
  ],
  [
    CHAT,
    {
      messages,
      response_format: { type: "json_schema", json_schema: { name: "a", schema: { $ref: `${ADDRESS}#/a` } } },
    },
    "response_format.json_schema.schema.$ref",
  ],
  [CHAT, { messages, guided_json: { $ref: `${ADDRESS}#/a` } }, "response_format.json_schema.schema.$ref"],
])("%s: addresses to fetch are refused: %j", async (path, body, param) => {
  const refused = await post(front, path, { model: "big", ...body });
  expect([refused.status, (await jsonOf(refused)).error.param, vllm.got]).toEqual([400, param, []]);
});
