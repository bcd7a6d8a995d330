import { describe, expect, test } from "vitest";
import { z } from "zod";
import { completionInput } from "../generation/completion.ts";
import { limitOptions } from "../limits.ts";
import { chatInput } from "../routes/chat.ts";
import { HttpError } from "./errors.ts";
import { ignoredFields, ignoredHeader } from "./unknown-fields.ts";

const limits = limitOptions.parse({});
const chat = chatInput(limits);
const chatRequest = { model: "m", messages: [{ role: "user", content: "x" }] };

/** A request's result: the error's sentence and field, or the ignored fields. */
function saidOf(schema: z.ZodType, request: object): unknown {
  try {
    return ignoredFields(schema, request);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return [error.status, error.details.param, error.message.split(": ")[1]];
  }
}

describe("a typo in a field's name is refused with the nearest name", () => {
  const cases = {
    saving: "savings",
    temprature: "temperature",
    temperatrue: "temperature",
    maxTokens: "max_tokens",
    "max-tokens": "max_tokens",
    max_token: "max_tokens",
    topP: "top_p",
    tool: "tools",
    sotp: "stop",
    steam: "stream",
    respons_format: "response_format",
    guided_jsn: "guided_json",
  };
  test.each(Object.entries(cases))("%s: %s", (slip, meant) => {
    const sentence = `there is no such field; did you mean "${meant}"?`;
    expect(saidOf(chat, { ...chatRequest, [slip]: 1 })).toEqual([400, slip, sentence]);
  });

  test("the same holds inside lists and objects", () => {
    const tools = [{ type: "function", function: { name: "f", paramters: {} } }];
    const field = "tools.0.function.paramters";
    expect(saidOf(chat, { ...chatRequest, tools })).toEqual([
      400,
      field,
      expect.stringContaining('mean "parameters"?'),
    ]);
  });

  test.each([
    ["temprature", "temperature"],
    ["max_token", "max_tokens"],
    ["maxTokens", "max_tokens"],
  ])("%s is refused beside %s as it is alone", (slip, meant) => {
    const sentence = `there is no such field; did you mean "${meant}"?`;
    expect(saidOf(chat, { [meant]: 1, ...chatRequest, [slip]: 1 })).toEqual([400, slip, sentence]);
  });
});

describe("a field that would change the answer elsewhere is refused by name", () => {
  test.each([
    ["grammar", 'root ::= "x"', "use response_format with a JSON schema"],
    ["guided_regex", "a+", "use response_format with a JSON schema"],
    ["guided_choice", ["a", "b"], "use response_format with a JSON schema"],
    ["enable_thinking", false, "use reasoning_effort or chat_template_kwargs"],
    ["reasoning", { effort: "low" }, "use reasoning_effort or chat_template_kwargs"],
    ["save", ["lookup"], "use savings"],
    ["n_predict", 5, "use max_tokens"],
    ["repeat_penalty", 1.1, "use repetition_penalty"],
    ["ignore_eos", true, "omit it"],
    ["chat_template", "x", "omit it"],
    ["web_search_options", {}, "omit it"],
  ])("%s", (field, value, way) => {
    const sentence = `not supported, and ignoring it would change the answer; ${way}`;
    expect(saidOf(chat, { ...chatRequest, [field]: value })).toEqual([400, field, sentence]);
  });

  test("parts of structured_outputs that are not enforced are refused", () => {
    const field = "structured_outputs.choice";
    expect(saidOf(chat, { ...chatRequest, structured_outputs: { choice: ["a"] } })).toEqual([
      400,
      field,
      expect.anything(),
    ]);
  });

  test("a value that changes nothing is accepted", () => {
    const neutral = {
      grammar: "",
      guided_regex: null,
      n_predict: -1,
      repeat_penalty: 1,
      ignore_eos: false,
      mirostat: 0,
    };
    const ignored = Object.keys(neutral).filter((field) => field !== "guided_regex");
    expect(saidOf(chat, { ...chatRequest, ...neutral })).toEqual(ignored);
  });

  test("an endpoint with the field reads it", () => {
    expect(saidOf(completionInput(limits), { model: "m", prompt: "x", echo: true, suffix: "y" })).toEqual([]);
    expect(saidOf(chat, { ...chatRequest, echo: true })).toEqual([400, "echo", expect.anything()]);
  });
});

describe("other fields are harmless, and are reported", () => {
  test("known fields of clients", () => {
    const harmless = [
      ...["user", "metadata", "store", "service_tier", "prediction", "verbosity", "seeding"],
      ...["safety_identifier", "prompt_cache_key", "cache_salt", "priority", "request_id", "id_slot"],
      ...["timings_per_token", "reasoning_format", "return_token_ids", "kv_transfer_params", "tags", "title", "step"],
      ...["mode", "text", "steps", "client", "session_id", "trace_id", "top_n", "prompt", "input", "query", "name"],
      ...["mirostat_tau", "guided_decoding_backend", "prompt_logprobs", "type", "role", "id", "need", "shop", "sea"],
      ...["__proto__2", "constructor", "toString", "thinking", "provider", "models", "transforms", "route"],
    ];
    const fields = Object.fromEntries(harmless.map((field) => [field, 1]));
    expect(saidOf(chat, { ...chatRequest, ...fields })).toEqual(harmless);
  });

  test("by their place in lists, each once", () => {
    const messages = [1, 2].map((n) => ({ role: "user", content: [{ type: "text", text: "x", cache_control: n }] }));
    expect(saidOf(chat, { ...chatRequest, messages })).toEqual(["messages[].content[].cache_control"]);
  });

  test("not within a schema, nor in objects with free fields, nor those for another server", () => {
    const tools = [{ type: "function", function: { name: "f", parameters: { temprature: 1, "x-y": 2 } } }];
    expect(saidOf(chat, { ...chatRequest, tools })).toEqual([]);
    expect(saidOf(z.object({ a: z.union([z.string(), z.record(z.string(), z.unknown())]) }), { a: { b: 1 } })).toEqual(
      [],
    );
    expect(ignoredFields(chat, { ...chatRequest, user: "u", chat_template: "x" }, ["user", "chat_template"])).toEqual(
      [],
    );
  });

  test("in a header of ASCII, with limited length", () => {
    expect(ignoredHeader([])).toEqual({});
    const names = ["messages[].name2", "ü\r\n,", "\ud800", ...Array.from({ length: 30 }, (_, i) => `f${i}`)];
    const { "x-ignored-fields": header } = ignoredHeader(names);
    expect(header).toMatch(/^messages\[\]\.name2, %C3%BC%0D%0A%2C, %EF%BF%BD, f0, .*, f16, and 13 more$/);
  });
});

test("of very many unknown fields, the first hundred are checked for typos, and all for fields that would change the answer", () => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, 1]));
  expect(saidOf(chat, { ...chatRequest, ...many, temprature: 1 })).toHaveLength(1001);
  expect(saidOf(chat, { ...chatRequest, ...many, guided_regex: "a" })).toEqual([
    400,
    "guided_regex",
    expect.anything(),
  ]);
});
