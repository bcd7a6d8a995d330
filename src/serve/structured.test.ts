import { ServerResponse } from "node:http";
import type OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { LazyGrammar } from "../engine/decode/grammar/index.ts";
import { Scheduler } from "../engine/schedule/scheduler.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing } from "./serve.testing.ts";

let server: Testing;
let openai: OpenAI;
beforeAll(async () => {
  server = await serveModels(["smollm2"]);
  openai = openaiOf(server);
});
afterEach(() => void vi.restoreAllMocks());
afterAll(() => server.stop(0));

const base = {
  model: "smollm2",
  messages: [{ role: "user" as const, content: "Name the capital of Japan and how many people live there." }],
  max_tokens: 200,
};
const City = z.object({ city: z.string().max(40), people: z.int().min(1), coastal: z.boolean() });

test("the openai client parses an answer by its zod schema", async () => {
  const format = zodResponseFormat(City, "city");
  for (const temperature of [0, 1]) {
    const { choices } = await openai.chat.completions.parse({
      ...base,
      response_format: format,
      temperature,
      seed: 3,
    });
    expect(choices[0]!.finish_reason).toBe("stop");
    City.parse(choices[0]!.message.parsed);
  }
});

test("a stream of JSON is an object; completions also accept the field", async () => {
  const stream = await openai.chat.completions.create({
    ...base,
    ...{ stream: true, temperature: 0, response_format: { type: "json_object" } },
  });
  let [text, reason] = ["", ""];
  for await (const { choices } of stream) {
    text += choices[0]?.delta.content ?? "";
    reason = choices[0]?.finish_reason ?? reason;
  }
  if (reason === "stop") expect(JSON.parse(text)).toBeTypeOf("object");
  else expect([reason, text[0]]).toEqual(["length", "{"]);
  const completion = {
    ...{ model: "smollm2", prompt: "The number of legs of a cat is ", max_tokens: 20, temperature: 0 },
    response_format: {
      type: "json_schema",
      json_schema: { name: "n", schema: { type: "integer", minimum: 0, maximum: 9 } },
    },
  };
  const answer = await jsonOf(post(server, "/v1/completions", completion));
  expect(answer.choices[0]).toMatchObject({ text: expect.stringMatching(/^\d$/), finish_reason: "stop" });
});

/** A value of 2^24 parts. */
const doubled = {
  $defs: Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`d${i}`, twice(i)])),
  $ref: "#/$defs/d24",
};
function twice(i: number): object {
  if (i === 0) return { type: "null" };
  return { type: "array", prefixItems: Array(2).fill({ $ref: `#/$defs/d${i - 1}` }), minItems: 2 };
}
const million = { minLength: 1e6, maxLength: 1e6, minItems: 1e6, maxItems: 1e6 };

/** Patterns that keep backtracking engines busy for ever. */
const patterns = [
  ...["^(a+)+$", "^(a|a)*b$", "^(a|aa)+$", "^([a-zA-Z]+)*$", "^(.*a){25}$", "^(a?){60}a{60}$", "(x+x+)+y"],
  ...["^((a{1,100}){1,100}){1,100}$", "^(?:(?:a*)*)*$", "a.{500}b", "^(.{0,1000}){0,1000}$"],
];

const bombs: [string, Record<string, unknown>][] = [
  ...patterns.map((pattern): (typeof bombs)[number] => [pattern, { type: "string", pattern }]),
  ["a value of 2^24 parts", doubled],
  ["a text of a million characters", { type: "string", ...million }],
  ["a list of a million", { type: "array", ...million }],
  ["500 fields, each there or not", { type: "object", properties: fields(500) }],
];
function fields(count: number): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, { type: "string" }]));
}

const formatOf = (schema: Record<string, unknown>) => ({
  type: "json_schema" as const,
  json_schema: { name: "x", schema },
});

/** Requests an answer that follows `schema`, and checks that it does, or that the schema is refused. */
async function answered(schema: Record<string, unknown>): Promise<void> {
  const request = { ...base, max_tokens: 6, temperature: 0, response_format: formatOf(schema) };
  const { choices, message } = await openai.chat.completions.create(request).then(
    ({ choices }) => ({ choices, message: "" }),
    (error: Error) => ({ choices: [], message: error.message }),
  );
  for (const { message, finish_reason } of choices) {
    expect(message.content).toMatch(/^\s*["[{]/);
    if (finish_reason === "stop") JSON.parse(message.content!);
  }
  if (choices.length === 0)
    expect(message).toMatch(/^400 the (format is too ambiguous|schema is too large).*simplify it$/);
}

test.each(bombs)("%s constrains an answer or is refused", (_, schema) => answered(schema));

test("a stream delivers its next token before any of six such schemas is compiled, and one between two", async () => {
  const events: string[] = [];
  const { write } = ServerResponse.prototype;
  vi.spyOn(ServerResponse.prototype, "write").mockImplementation(function (this: ServerResponse, ...written) {
    if (Buffer.from(written[0]).includes('"delta":{"content"')) events.push("token");
    return Reflect.apply(write, this, written);
  });
  const { submit } = Scheduler.prototype;
  vi.spyOn(Scheduler.prototype, "submit").mockImplementation(function (this: Scheduler, job) {
    if ("options" in job && job.options.grammar) events.push("request");
    return submit.call(this, job);
  });
  const { compile } = LazyGrammar.prototype;
  vi.spyOn(LazyGrammar.prototype, "compile").mockImplementation(function (this: LazyGrammar) {
    if (!this.compiled) events.push("compilation");
    return compile.call(this);
  });
  const endless = { ...base, max_tokens: 2000, logit_bias: { 0: -100, 2: -100 } };
  const stream = await openai.chat.completions.create({ ...endless, stream: true });
  const reading = stream[Symbol.asyncIterator]();
  for (let pieces = 0; pieces < 3; pieces++) await reading.next();
  const schemas = Array.from({ length: 6 }, (_, i) => ({ type: "string", pattern: `^(.{0,${990 + i}}){0,1000}$` }));
  let waiting = true;
  const answers = Promise.all(schemas.map(answered)).finally(() => {
    waiting = false;
  });
  while (waiting) expect((await reading.next()).done).toBe(false);
  await answers;
  stream.controller.abort();
  const at = (name: string) => [...events.keys()].filter((i) => events[i] === name);
  const [requests, compilations] = [at("request"), at("compilation")];
  expect([requests.length, compilations.length]).toEqual([6, 6]);
  for (const [i, compilation] of compilations.entries()) {
    expect(events.slice(requests[i], compilation)).toContain("token");
    if (i > 0) expect(events.slice(compilations[i - 1], compilation)).toContain("token");
  }
});

test("a schema that is too long is refused, in any field", async () => {
  const long = { enum: ["x".repeat(120_000)] };
  const tool = { type: "function", function: { name: "f", parameters: { properties: { a: long } } } };
  const requests = [
    ["/v1/chat/completions", { ...base, response_format: formatOf(long) }, "response_format"],
    ["/v1/chat/completions", { ...base, guided_json: long }, "response_format"],
    ["/v1/chat/completions", { ...base, tools: [tool] }, "tools"],
    ["/v1/completions", { model: "smollm2", prompt: "x", response_format: formatOf(long) }, "response_format"],
  ] as const;
  for (const [path, body, field] of requests) {
    const response = await post(server, path, body);
    const { error } = await jsonOf(response);
    expect([response.status, error.param]).toEqual([400, field]);
    expect(error.message).toMatch(/^\w+: expected at most 120000 characters of JSON, got 120\d{3}$/);
  }
});

test("rows of one batch each follow their own schema", async () => {
  const one = (value: string) => ({ type: "object", properties: { is: { const: value } }, required: ["is"] });
  const answers = await Promise.all(
    ["red", "green", undefined].map((value) =>
      openai.chat.completions.create({
        // White space between parts is bounded, so 120 tokens hold any answer that meets these schemas.
        ...{ ...base, temperature: 1, seed: 5, max_tokens: value ? 120 : 20 },
        ...(value && { response_format: { type: "json_schema", json_schema: { name: "x", schema: one(value) } } }),
      }),
    ),
  );
  const [red, green, free] = answers.map(({ choices }) => choices[0]!.message.content!);
  expect([JSON.parse(red!), JSON.parse(green!)]).toEqual([{ is: "red" }, { is: "green" }]);
  expect(free).not.toMatch(/^\{/);
});
