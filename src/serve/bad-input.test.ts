import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callsOf } from "../util/calls.testing.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
let spent: number;
beforeAll(async () => {
  server = await serveModels(TINY);
  spent = await receipts();
});
afterAll(() => server.stop(0));

const receipts = async (): Promise<number> => (await jsonOf(fetch(`${server.url}/v1/receipts`))).sum.receipts;

const JSON_TYPE = { "content-type": "application/json" };
const chat = { model: "tiny", messages: [{ role: "user", content: "x" }] };
const called = (value: string) => ({
  ...chat,
  messages: [
    {
      role: "assistant",
      tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: value } }],
    },
  ],
});
const text = { model: "tiny", prompt: "x", max_tokens: 1 };
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

/** The case's name, the request's path and body, and the expected status and message. */
type Bad = [what: string, path: string, body: unknown, status: number, sentence: string | RegExp];

const held = (schema: unknown) => ({
  ...text,
  response_format: { type: "json_schema", json_schema: { name: "x", schema } },
});
const endless = { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] };

/** Schemas that no JSON satisfies, or that cannot be enforced. */
const formats: [string, unknown, number, string | RegExp][] = [
  [
    "a format that there is not",
    { ...text, response_format: { type: "xml" } },
    400,
    /^response_format(\.type)?: expected "text", "json_object" or "json_schema" as its type, got/,
  ],
  [
    "an invalid name",
    { ...text, response_format: { type: "json_schema", json_schema: { name: "a b", schema: {} } } },
    400,
    /^response_format\.json_schema\.name: expected a name of 1 to 64 letters/,
  ],
  ["guided_json that is no JSON", { ...text, guided_json: "{" }, 400, /^guided_json: expected a JSON schema/],
  ["an invalid schema", held([1]), 400, /^response_format\.json_schema\.schema: expected a JSON schema, got \[1\]$/],
  [
    "an unknown type",
    held({ type: "objekt" }),
    400,
    /^the schema at #: "type": expected one of string, number, .*, got "objekt"$/,
  ],
  [
    "a keyword that would be left out",
    held({ properties: { a: { not: {} } } }),
    400,
    'the schema at #/properties/a: "not" cannot be enforced',
  ],
  [
    "a reference to nothing",
    held({ $ref: "#/$defs/x" }),
    400,
    /^the schema at #: "\$ref" points to "#\/\$defs\/x", where there is no schema$/,
  ],
  ["a reference to elsewhere", held({ $ref: "http://x/y" }), 400, /expected a place within the schema$/],
  [
    "a reference to itself",
    held({ $ref: "#" }),
    400,
    /^the schema cannot be satisfied: it refers to itself without end$/,
  ],
  ["an endless value", held(endless), 400, "the schema cannot be satisfied: no finite value matches it"],
  ["no value at all", held(false), 400, "the schema cannot be satisfied: no finite value matches it"],
  ["a lookahead", held({ type: "string", pattern: "^(?=a)b" }), 400, /"\(\?=a\)" in a pattern cannot be enforced$/],
  ["half a pattern", held({ type: "string", pattern: "(" }), 400, /a pattern is not a regular expression: /],
  ["bounds that cross", held({ type: "number", minimum: 2, maximum: 1 }), 400, /no number lies within its bounds$/],
  [
    "a schema that is too long",
    held({ enum: ["x".repeat(300_000)] }),
    400,
    /^response_format: expected at most 120000 characters of JSON, got 300072$/,
  ],
];

const completions: Bad[] = (
  [
    ["a text that is not JSON", "{", 400, /^the body is not JSON: /],
    ["nothing", "", 400, "the body is empty, expected JSON"],
    ["NaN", '{"model":"tiny","prompt":"x","temperature":NaN}', 400, /^the body is not JSON: /],
    [
      "infinity",
      '{"model":"tiny","prompt":"x","temperature":1e999}',
      400,
      /^temperature: expected number, got Infinity$/,
    ],
    ["a list", "[]", 400, "the request: expected object, got []"],
    ["bytes that are no UTF-8", Buffer.from('{"model":"\xff"}', "latin1"), 400, "the body is not valid UTF-8"],
    ["a key twice", '{"model":"a","prompt":"x","model":"tiny"}', 400, 'the body has "model" twice in one object'],
    [
      "a key twice, once escaped",
      '{"model":"a","mod\\u0065l":"tiny"}',
      400,
      'the body has "model" twice in one object',
    ],
    ["JSON a million deep", nested(1e6), 400, "the body's JSON is nested more than 32 levels deep"],
    ["brackets without end", "[".repeat(1e6), 400, "the body's JSON is nested more than 32 levels deep"],
    [
      "a deep field",
      { ...text, stop: JSON.parse(nested(40)) },
      400,
      "the body's JSON is nested more than 32 levels deep",
    ],
    ["no model", { prompt: "x" }, 400, "model: expected one of tiny, sentences, ranker, labels, got nothing"],
    ["a model that is a number", { ...text, model: 7 }, 400, "model: expected a model's name, got 7"],
    ["a slip in the model", { ...text, model: "tinny" }, 404, 'no model is called "tinny" here; did you mean "tiny"?'],
    [
      "a path for a model",
      { ...text, model: "../../etc/passwd" },
      404,
      /^no model is called "\.\.\/\.\.\/etc\/passwd" here; there are: tiny, /,
    ],
    [
      "a model from elsewhere",
      { ...text, model: "hf:org/name" },
      404,
      /^no model is called "hf:org\/name" here; there are: /,
    ],
    [
      "a model that is downloaded but not offered",
      { ...text, model: "smollm2" },
      404,
      /^no model is called "smollm2" here/,
    ],
    ["a recipe that is not registered", { ...text, model: "tiny@fast" }, 404, /^no model is called "tiny@fast" here/],
    ["a prototype's name for a model", { ...text, model: "__proto__" }, 404, /^no model is called "__proto__" here/],
    [
      "no prompt",
      { model: "tiny" },
      400,
      /^prompt: expected a text, token ids from 0 on, or a list of 1 to 64 texts or id lists, none of them empty, got nothing$/,
    ],
    ["an empty prompt", { ...text, prompt: "" }, 400, /^prompt: expected a text, .*, got ""$/],
    [
      "a prompt of no ids",
      { ...text, prompt: [[]] },
      400,
      "prompt.0: expected a list of 1 to 100000 token ids, got []",
    ],
    ["an id below 0", { ...text, prompt: [1, -2] }, 400, /^prompt: expected a text, token ids .*, got \[1,-2\]$/],
    ["half an id", { ...text, prompt: [[1.5]] }, 400, /^prompt: expected a text, token ids .*, got \[\[1.5\]\]$/],
    [
      "an id beyond the vocabulary",
      { ...text, prompt: [[1], [2, 999999]] },
      400,
      /^prompt: the model's tokens are 0 to \d+, got 999999$/,
    ],
    [
      "more ids than the context has",
      { ...text, prompt: Array(3000).fill(5) },
      400,
      /^the prompt has 3000 tokens, but/,
    ],
    [
      "too long a prompt",
      { ...text, prompt: "a ".repeat(3000) },
      400,
      /^the prompt has \d+ tokens, but the model's context is \d+/,
    ],
    [
      "ten megabytes",
      { ...text, prompt: "a".repeat(1e7) },
      413,
      "the body has more than 8388608 bytes, the limit of this server",
    ],
    [
      "too many characters",
      { ...text, prompt: "a".repeat(2e6) },
      400,
      /^prompt: expected a text, .*, got a text of 2000000 characters$/,
    ],
    ["a text for a number", { ...text, temperature: "hot" }, 400, 'temperature: expected number, got "hot"'],
    ["a temperature below 0", { ...text, temperature: -1 }, 400, "temperature: must be at least 0 (got -1)"],
    [
      "a stay without end",
      { ...text, keep_alive: "forever" },
      400,
      /^keep_alive: expected seconds, or a time such as "5m"/,
    ],
    ["half a token", { ...text, max_tokens: 1.5 }, 400, /^max_tokens: expected int, got 1\.5$/],
    ["no tokens", { ...text, max_tokens: 0 }, 400, "max_tokens: expected at least 1 without echo: true, got 0"],
    ["a billion answers", { ...text, n: 1e9 }, 400, "n: must be at most 8 (got 1000000000)"],
    ["a million stops", { ...text, stop: Array(1e6).fill("a") }, 400, "the body's JSON has more than 100000 values"],
    [
      "ninety thousand stops",
      { ...text, stop: Array(9e4).fill("a") },
      400,
      /^stop: expected a text, or at most 16 texts, of 1 to 256 characters, got a list of 90000$/,
    ],
    ["an empty stop", { ...text, stop: [""] }, 400, "stop.0: must not be empty"],
    ["a bias on a word", { ...text, logit_bias: { the: 1 } }, 400, 'logit_bias: expected a token\'s id, got "the"'],
    [
      "an unknown saving",
      { ...text, savings: ["xatention"] },
      400,
      /no saving is called "xatention".*did you mean "xattention"\?$/,
    ],
    ["a saving's unknown option", { ...text, savings: ["xattention:treshold=1"] }, 400, /did you mean "threshold"\?$/],
    [
      "a saving that names a file",
      { ...text, savings: ["xattention:thresholds=/etc/passwd"] },
      400,
      /names a file, which a request may not do/,
    ],
    ["an encoder that is to generate", { ...text, model: "sentences" }, 400, /^sentences is an encoder/],
    ...formats,
    [
      "more prompts than answers",
      { ...text, prompt: Array(65).fill("x") },
      400,
      /^prompt: .* 1 to 64 texts or id lists, none .* of 65$/,
    ],
    [
      "more answers than there may be",
      { ...text, prompt: Array(33).fill("x"), n: 2 },
      400,
      "prompt: expected at most 64 answers in all, got 66",
    ],
    [
      "a penalty that divides by almost nothing",
      { ...text, repetition_penalty: 1e-300 },
      400,
      "repetition_penalty: must be at least 0.1 (got 1e-300)",
    ],
    [
      "a bias beyond the vocabulary",
      { ...text, logit_bias: { 999999: 1 } },
      400,
      /^logit_bias: the model's tokens are 0 to \d+, got 999999$/,
    ],
    [
      "a bias of a token of 400 digits",
      { ...text, logit_bias: { ["9".repeat(400)]: 1 } },
      400,
      /^logit_bias: the model's tokens are 0 to \d+, got 9{40}$/,
    ],
    ...([0.5, 2 ** 65, -(2 ** 64)] as const).map((seed): [string, unknown, number, string] => [
      `${seed} for a seed`,
      { ...text, seed },
      400,
      `seed: expected a whole number of at most 64 bits, got ${seed}`,
    ]),
    [
      "a chat's logprobs",
      { ...text, top_logprobs: 2 },
      400,
      "top_logprobs: expected null: logprobs is the number of likeliest tokens to return, got 2",
    ],
    [
      "what a stream is to hold, without a stream",
      { ...text, stream_options: { include_usage: true } },
      400,
      'stream_options: requires stream: true, got {"include_usage":true}',
    ],
    ["fewer drawn than given", { ...text, n: 3, best_of: 2 }, 400, "best_of: expected at least n, 3, got 2"],
    [
      "the best of a stream",
      { ...text, best_of: 2, stream: true },
      400,
      "best_of: expected at most the value of n in a stream, which sends answers as they are drawn, got 2",
    ],
    [
      "more drawn than there may be",
      { ...text, prompt: Array(33).fill("x"), best_of: 2 },
      400,
      "prompt: expected at most 64 answers in all, got 66",
    ],
    [
      "a text to fill in, of a model that cannot",
      { ...text, suffix: "x" },
      400,
      /^tiny has no tokens for filling in a text/,
    ],
    [
      "a text to fill in, given back",
      { ...text, suffix: "x", echo: true },
      400,
      'suffix: not supported with echo: true, got "x"',
    ],
  ] as [string, unknown, number, string | RegExp][]
).map(([what, body, status, sentence]) => [what, "/v1/completions", body, status, sentence]);

const others: Bad[] = [
  [
    "no messages",
    "/v1/chat/completions",
    { ...chat, messages: [] },
    400,
    "messages: expected a list of 1 to 4096 messages, got []",
  ],
  [
    "a role that there is not",
    "/v1/chat/completions",
    { ...chat, messages: [{ role: "king", content: "x" }] },
    400,
    /^messages\.0\.role: expected "system", "developer", "user", "assistant" or "tool", got "king"$/,
  ],
  [
    "a picture",
    "/v1/chat/completions",
    { ...chat, messages: [{ role: "user", content: [{ type: "image_url" }] }] },
    400,
    /^messages\.0\.content: expected a text, or a list of at most 1024 parts/,
  ],
  [
    "arguments 200,000 deep",
    "/v1/chat/completions",
    called("[".repeat(2e5) + "]".repeat(2e5)),
    400,
    "messages: expected call arguments nested at most 32 levels deep",
  ],
  [
    "arguments of 150,000 values",
    "/v1/chat/completions",
    called(`[${"1,".repeat(1.5e5)}1]`),
    400,
    "messages: expected at most 100000 values in the arguments of calls",
  ],
  [
    "arguments that are no JSON",
    "/v1/chat/completions",
    called("{"),
    400,
    "messages.0.tool_calls: expected JSON arguments",
  ],
  [
    "the likeliest without log-probabilities",
    "/v1/chat/completions",
    { ...chat, top_logprobs: 5 },
    400,
    "top_logprobs: requires logprobs: true, got 5",
  ],
  [
    "a stream's options without a stream",
    "/v1/chat/completions",
    { ...chat, stream: false, stream_options: {} },
    400,
    "stream_options: requires stream: true, got {}",
  ],
  [
    "sound",
    "/v1/chat/completions",
    { ...chat, modalities: ["text", "audio"] },
    400,
    'modalities.1: expected "text", the only modality, got "audio"',
  ],
  ["a model that does not chat", "/v1/chat/completions", chat, 400, /^tiny: the model has no chat template/],
  ["tools", "/v1/chat/completions", { ...chat, tools: [{ type: "function" }] }, 400, /^tools\.0\.function: /],
  [
    "nothing to embed",
    "/v1/embeddings",
    { model: "sentences", input: [] },
    400,
    "input: expected a list of 1 to 2048 texts, got []",
  ],
  [
    "ids below 0 to embed",
    "/v1/embeddings",
    { model: "sentences", input: [[1, -2]] },
    400,
    "input.0.1: must be at least 0 (got -2)",
  ],
  [
    "ids to embed that the model does not have",
    "/v1/embeddings",
    { model: "sentences", input: [[1], [2, 999999]] },
    400,
    /^input: the model's tokens are 0 to \d+, got 999999$/,
  ],
  [
    "too many dimensions",
    "/v1/embeddings",
    { model: "sentences", input: "x", dimensions: 1e4 },
    400,
    /^dimensions: the model has \d+, got 10000$/,
  ],
  [
    "an unknown encoding",
    "/v1/embeddings",
    { model: "sentences", input: "x", encoding_format: "hex" },
    400,
    /^encoding_format: expected "float" or "base64", got "hex"$/,
  ],
  [
    "a decoder that is to embed",
    "/v1/embeddings",
    { model: "tiny", input: "x" },
    400,
    /^tiny generates text; expected an encoder/,
  ],
  [
    "no documents",
    "/v1/rerank",
    { model: "ranker", query: "x", documents: [] },
    400,
    "documents: expected a list of 1 to 2048 documents, got []",
  ],
  [
    "a document without text",
    "/v2/rerank",
    { model: "ranker", query: "x", documents: ["y", { body: "z" }] },
    400,
    /^documents\.1\.text: expected string, got nothing$/,
  ],
  [
    "documents without any of the fields",
    "/rerank",
    { model: "ranker", query: "x", documents: [{ body: "z" }], rank_fields: ["title", "__proto__"] },
    400,
    /^documents\.0\.text: must not be empty$/,
  ],
  ...(
    [
      ["max_tokens_per_doc", 0, "must be at least 1 (got 0)"],
      ["max_chunks_per_doc", 10, "expected 1: a document is read once, up to the model's limit, got 10"],
      ["truncate", "START", 'expected true or "END", false or "NONE": texts are cut only at their end, got "START"'],
    ] as const
  ).map(
    ([field, value, sentence]): Bad => [
      `${field}: ${value}`,
      "/v2/rerank",
      { model: "ranker", query: "x", documents: ["y"], [field]: value },
      400,
      `${field}: ${sentence}`,
    ],
  ),
  [
    "a classifier of several labels that is to rank",
    "/rerank",
    { model: "labels", query: "x", documents: ["z"] },
    400,
    "labels has 3 labels, expected a cross-encoder, which has one",
  ],
  [
    "a decoder that is to classify by no labels",
    "/v1/classify",
    { model: "tiny", input: "x" },
    400,
    "tiny has no labels of its own; expected labels to choose among",
  ],
  [
    "a label twice",
    "/v1/classify",
    { model: "tiny", input: "x", labels: ["a", "a"] },
    400,
    'the label "a" is given twice',
  ],
  [
    "more labels than are scored at once",
    "/v1/classify",
    { model: "tiny", input: Array(20).fill("x"), labels: Array.from({ length: 1000 }, (_, i) => `${i}`) },
    400,
    "labels: expected at most 4096 texts times labels, got 20 times 1000",
  ],
  [
    "an unknown label",
    "/v1/classify",
    { model: "labels", input: "x", labels: ["odd"] },
    400,
    /^the model has no label "odd"/,
  ],
  [
    "an embedder that is to classify",
    "/v1/classify",
    { model: "sentences", input: "x" },
    400,
    /^sentences has no classifier/,
  ],
  [
    "a path that there is not",
    "/v1/chat/completion",
    chat,
    404,
    'there is nothing at /v1/chat/completion; did you mean "/v1/chat/completions"?',
  ],
  ["a path out of the tree", "/v1/../../etc/passwd", chat, 404, /^there is nothing at \/etc\/passwd/],
  ["a method that there is not", "/v1/models", {}, 405, "/v1/models takes GET, got POST"],
];

const asBody = (body: unknown) => (typeof body === "string" || body instanceof Buffer ? body : JSON.stringify(body));

describe("one sentence, the right status, and nothing billed", () => {
  test.each([...completions, ...others])("%s", async (_, path, body, status, sentence) => {
    const response = await fetch(server.url + path, { method: "POST", headers: JSON_TYPE, body: asBody(body) });
    const { error } = await jsonOf(response);
    expect([response.status, error.message]).toEqual([
      status,
      typeof sentence === "string" ? sentence : expect.stringMatching(sentence),
    ]);
    expect(error.message).not.toMatch(/\n|\/fixtures\//);
    expect(Object.keys(error)).toEqual(["message", "type", "param", "code"]);
    expect(error.type).toBe("invalid_request_error");
  });

  test("another content type, which browsers send without a preflight request, is refused", async () => {
    const response = await fetch(`${server.url}/v1/completions`, { method: "POST", body: JSON.stringify(text) });
    expect(response.status).toBe(415);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a compressed body", async () => {
    const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
    const body = gzipSync(JSON.stringify(text));
    const response = await fetch(`${server.url}/v1/completions`, { method: "POST", headers, body });
    const sentence = "compressed bodies are not supported (gzip)";
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([415, sentence]);
  });

  test("a browser's preflight request for a foreign page gets no permission", async () => {
    const headers = { origin: "https://example.org", "access-control-request-method": "POST" };
    const response = await fetch(`${server.url}/v1/completions`, { method: "OPTIONS", headers });
    expect(response.status).toBe(405);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test.each([
    ["GET", "/v1/models/..%2f..%2fetc%2fpasswd", /^no model is called "\.\.\/\.\.\/etc\/passwd" here; there are: tiny/],
    ["GET", "/v1/models/%2e%2e/%2e%2e/etc/passwd", /^there is nothing at \/etc\/passwd/],
    ["GET", "/v1/models/__proto__", /^no model is called "__proto__" here/],
    ["GET", "/v1/models/%00", /^no model is called "\0" here/],
    ["GET", "/v1/models/%ff", /^no model is called "%ff" here/],
    ["GET", "/v1/receipts/..%2f..%2fkeys.json", /^there is no receipt \.\.\/\.\.\/keys\.json$/],
    ["DELETE", "/v1/recipes/..%2f..%2fkeys.json", /^no recipe is called "\.\.\/\.\.\/keys\.json" here$/],
  ])("a name in a path is only a name: %s %s", async (method, path, sentence) => {
    const response = await fetch(server.url + path, { method });
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([404, expect.stringMatching(sentence)]);
  });

  test("an invalid receipt id, time and limit", async () => {
    const statusOf = async (query: string) => (await fetch(`${server.url}/v1/receipts${query}`)).status;
    expect(await Promise.all(["/x", "?since=never", "?limit=0", "?limit=x"].map(statusOf))).toEqual([
      404, 400, 400, 400,
    ]);
  });

  test.each(["1001", "1.5", "-1", "x"])("receipts before %s", async (limit) => {
    const { error } = await jsonOf(fetch(`${server.url}/v1/receipts?limit=${limit}`));
    expect([error.message, error.param]).toEqual([
      `limit: expected a whole number from 1 to 1000, got "${limit}"`,
      "limit",
    ]);
  });

  test.each([
    ["repetition_penalty", 1e-300],
    ["logit_bias", { 999999: 1 }],
    ["prompt", Array(65).fill("x")],
    ["prompt", [999999]],
    ["prompt", [-1]],
    ["best_of", 0],
  ])("the field at fault is named: %s", async (field, value) => {
    const { error } = await jsonOf(post(server, "/v1/completions", { ...text, [field]: value }));
    expect(error.param).toBe(field);
  });

  test("none of these requests was billed", async () => {
    expect(await receipts()).toBe(spent);
  });
});

describe("slow checks are refused at once, and delay no other request", () => {
  const empties = (count: number): object[] => Array(count).fill({});
  const withTurn = (more: object) => ({ ...chat, messages: [{ role: "assistant", ...more }] });
  const turns = (more: object) => ({ ...chat, messages: Array(40).fill({ role: "assistant", content: "x", ...more }) });
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 1]));
  const tooMany = "the body's JSON has more than 100000 values";

  test.each<[what: string, path: string, body: object, sentence: string | RegExp]>([
    [
      "40,000 calls",
      "chat/completions",
      withTurn({ tool_calls: empties(4e4) }),
      /^messages\.0\.tool_calls: .* 128 calls,/,
    ],
    ["2.6 million calls", "chat/completions", withTurn({ tool_calls: empties(2.6e6) }), tooMany],
    ["40,000 parts", "chat/completions", withTurn({ content: empties(4e4) }), /^messages\.0\.content: .* 1024 parts /],
    [
      "40 times 128 calls",
      "chat/completions",
      turns({ tool_calls: empties(128) }),
      /^messages\.0\.tool_calls\.0\.id: /,
    ],
    ["40 times 1,024 parts", "chat/completions", turns({ content: empties(1024) }), /^messages\.0\.content: /],
    ["2.6 million parts", "chat/completions", withTurn({ content: empties(2.6e6) }), tooMany],
    [
      "40,000 messages",
      "chat/completions",
      { ...chat, messages: empties(4e4) },
      /^messages: .* 1 to 4096 messages, got/,
    ],
    ["2.6 million messages", "chat/completions", { ...chat, messages: empties(2.6e6) }, tooMany],
    [
      "40,000 tools",
      "chat/completions",
      { ...chat, tools: empties(4e4) },
      /^tools: .* 128 functions, got a list of 40000$/,
    ],
    [
      "90,000 biases",
      "completions",
      { ...text, logit_bias: keys(9e4) },
      /^logit_bias: .* 4096 numbers by token id, got/,
    ],
    ["500,000 biases", "completions", { ...text, logit_bias: keys(5e5) }, tooMany],
    [
      "one long field a hundred times",
      "rerank",
      { model: "ranker", query: "x", documents: [{ a: "x".repeat(7e6) }], rank_fields: Array(100).fill("a") },
      /^documents\.0\.text: has [0-9]+ characters; the limit is 1000000$/,
    ],
    [
      "40,000 documents",
      "rerank",
      { model: "ranker", query: "x", documents: empties(4e4) },
      /^documents: .* 2048 documents/,
    ],
    ["2.6 million documents", "rerank", { model: "ranker", query: "x", documents: empties(2.6e6) }, tooMany],
    ["40,000 labels", "classify", { model: "tiny", input: "x", labels: empties(4e4) }, /^labels: .* 1 to 4096 labels,/],
    [
      "90,000 ids and a text",
      "completions",
      { ...text, prompt: [...Array(9e4).fill(1), "x"] },
      /^prompt: .* of 90001$/,
    ],
    ["90,000 lists of ids", "completions", { ...text, prompt: Array(4.5e4).fill([1]) }, /^prompt: .* of 45000$/],
    [
      "64 times 1,400 ids, the last beyond",
      "completions",
      { ...text, prompt: Array(64).fill([...Array(1399).fill(1), 99999]) },
      /^prompt: the model's tokens are 0 to \d+, got 99999$/,
    ],
    ["a million ids", "completions", { ...text, prompt: Array(1e6).fill(1) }, tooMany],
    ["50,000 names", "completions", held({ required: Array(5e4).fill(1) }), /"required": .* at most 10000 names, got/],
  ])("%s", async (_, path, body, sentence) => {
    const sent = JSON.stringify(body);
    // Client and server share a process, so the server's idle timeout may expire while the client builds the body.
    const headers = { ...JSON_TYPE, connection: "close" };
    const calls = await callsOf(async () => {
      const answer = fetch(`${server.url}/v1/${path}`, { method: "POST", headers, body: sent });
      const alive = fetch(`${server.url}/health`, { headers });
      const response = await answer;
      const { error } = await jsonOf(response);
      expect([response.status, error.message]).toEqual([
        400,
        sentence instanceof RegExp ? expect.stringMatching(sentence) : sentence,
      ]);
      expect((await alive).status).toBe(200);
    });
    expect(calls).toBeLessThan(2e6);
  });

  test("the maximum number of values is read", async () => {
    const texts = { model: "sentences", input: Array(2048).fill("x") };
    expect((await post(server, "/v1/embeddings", texts)).status).toBe(200);
    const bias = Object.fromEntries(Array.from({ length: 60 }, (_, id) => [id, 1]));
    expect((await post(server, "/v1/completions", { ...text, logit_bias: bias })).status).toBe(200);
  });
});

describe("an odd but harmless request is answered", () => {
  test.each<[string, string | object]>([
    ["unknown fields", { ...text, whatever: { deep: [1] }, user: "me" }],
    ["nulls for what is left out", { ...text, stop: null, seed: null, temperature: null, n: null, savings: null }],
    [
      "keys of prototypes",
      `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"model":"tiny","prompt":"x","max_tokens":1}`,
    ],
    [
      "keys of prototypes within fields",
      `{"model":"tiny","prompt":"x","max_tokens":1,"logit_bias":{"__proto__":1},"response_format":{"type":"text","__proto__":{"polluted":1}}}`,
    ],
    ["half a surrogate", '{"model":"tiny","prompt":"x\\ud800y","max_tokens":1}'],
    ["-1 for what is unset", { ...text, seed: -1, top_k: -1 }],
    ["chats' word for the most tokens", { ...text, max_tokens: 9, max_completion_tokens: 1 }],
    ["options of no stream that are null", { ...text, stream_options: null, stream: false }],
    ["a stop of one text", { ...text, stop: "zzz" }],
    ["neutral savings", { ...text, savings: ["dense"] }],
  ])("%s", async (_, body) => {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: JSON_TYPE,
      body: asBody(body) as string,
    });
    expect([response.status, (await jsonOf(response)).usage?.completion_tokens]).toEqual([200, 1]);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

/** The server's response to invalid HTTP: everything until it closes the connection, or until `enough` matches. */
function raw(bytes: string, enough?: RegExp): Promise<string> {
  const { port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(bytes));
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
      if (enough?.test(answer)) socket.destroy();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

describe("invalid HTTP", () => {
  const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

  test.each([
    ["two lengths", `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ["two different lengths", `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde`, 400],
    ["two equal lengths", `${head}Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde`, 400],
    ["chunks before a length", `${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`, 400],
    ["an invalid length", `${head}Content-Length: -5\r\n\r\nabcde`, 400],
    ["a length with a sign", `${head}Content-Length: +5\r\n\r\nabcde`, 400],
    ["chunks under another name", `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    ["chunks whose name ends in a tab", `${head}Transfer-Encoding: chunked\tx\r\n\r\n0\r\n\r\n`, 400],
    ["a space before a colon", `${head}Content-Length : 5\r\n\r\nabcde`, 400],
    ["a folded header", `${head}X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}`, 400],
    ["lines that end in LF alone", `${head.replaceAll("\r\n", "\n")}Content-Length: 2\n\n{}`, 400],
    ["a CR within a header", `${head}X-Odd: a\rb\r\n\r\n`, 400],
    ["a NUL within a header", `${head}X-Odd: a\0b\r\n\r\n`, 400],
    ["a chunk whose size is none", `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n`, 400],
    ["a flood of headers", `${head}${"X-Flood: yes\r\n".repeat(5000)}\r\n`, 431],
    ["another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
  ])("%s", async (_, bytes, status) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!).error.message).toMatch(/request/);
  });

  test.each([
    ["no host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ["two hosts", "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\nConnection: close\r\n\r\n"],
    ["a host with a path", "GET /health HTTP/1.1\r\nHost: localhost/v1\r\nConnection: close\r\n\r\n"],
    ["backslashes in its path", "GET /v1/models/..\\..\\x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ["a star for a path", "GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
  ])("a request with %s", async (_, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("the request has an invalid URL or Host header");
  });

  test("an unknown expectation", async () => {
    const answer = await raw("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 200-maybe\r\n\r\n");
    expect(answer).toMatch(
      /^HTTP\/1\.1 417 .*"expected \\"100-continue\\" in the Expect header, got \\"200-maybe\\""/s,
    );
  });

  test("a request for another server, as sent to a proxy", async () => {
    const answer = await raw("GET http://example.org/docs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 403 .*"refused Host \\"example\.org\\": use localhost or send a key/s);
  });

  test("a request smuggled after a refused one is not answered", async () => {
    const hidden = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const lengths = `Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect((await raw(head + lengths + hidden)).match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  });

  test("a chunked body without end is cut off at the limit", async () => {
    const chunk = `100000\r\n${"a".repeat(0x100000)}\r\n`;
    const refused = /^HTTP\/1\.1 413 /;
    expect(await raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(9)}`, refused)).toMatch(refused);
  });

  test("a body that stops half way does not harm the server", async () => {
    const { port } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(`${head}Content-Length: 50\r\n\r\n{"model"`));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });
});
