import type OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { openaiOf, post, serveModels, type Testing } from "./serve.testing.ts";

let server: Testing;
let openai: OpenAI;
beforeAll(async () => {
  server = await serveModels(["smollm2"]);
  openai = openaiOf(server);
});
afterAll(() => server.stop(0));

const Weather = z.strictObject({ city: z.string().max(30), unit: z.enum(["celsius", "fahrenheit"]) });
const weather = {
  type: "function" as const,
  function: { name: "get_weather", description: "The weather in a city now", parameters: z.toJSONSchema(Weather) },
};
const clock = { type: "function" as const, function: { name: "get_time" } };
const request = {
  model: "smollm2",
  messages: [{ role: "user" as const, content: "What is the weather in Paris?" }],
  tools: [weather, clock],
  max_tokens: 120,
  temperature: 0,
};
const named = { type: "function" as const, function: { name: "get_weather" } };

test("a named function is called, its arguments by its schema", async () => {
  const { choices } = await openai.chat.completions.create({ ...request, tool_choice: named });
  const { message, finish_reason } = choices[0]!;
  expect([finish_reason, message.content]).toEqual(["tool_calls", null]);
  expect(message.tool_calls).toHaveLength(1);
  const [call] = message.tool_calls! as OpenAI.ChatCompletionMessageFunctionToolCall[];
  expect(call).toMatchObject({
    id: expect.stringMatching(/^call_/),
    type: "function",
    function: { name: "get_weather" },
  });
  Weather.parse(JSON.parse(call!.function.arguments));
});

test("required: one of them is called, at any temperature", async () => {
  for (const seed of [1, 2]) {
    const { choices } = await openai.chat.completions.create({
      ...request,
      tool_choice: "required",
      temperature: 1,
      seed,
    });
    const { message, finish_reason } = choices[0]!;
    const [call] = message.tool_calls! as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(finish_reason).toBe("tool_calls");
    const args = JSON.parse(call!.function.arguments);
    if (call!.function.name === "get_weather") Weather.parse(args);
    else expect([call!.function.name, args]).toEqual(["get_time", {}]);
  }
});

test("streamed, the client assembles the call; its result goes back, and an answer arrives", async () => {
  const stream = openai.chat.completions.stream({ ...request, tool_choice: named });
  const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0]!;
  expect(finish_reason).toBe("tool_calls");
  const [call] = message.tool_calls!;
  const result = { role: "tool" as const, tool_call_id: call!.id, content: '{"degrees": 21}' };
  const messages = [...request.messages, { role: "assistant" as const, tool_calls: message.tool_calls! }, result];
  const { choices } = await openai.chat.completions.create({
    ...request,
    messages,
    tool_choice: "none",
    max_tokens: 8,
  });
  expect(choices[0]!.message.tool_calls).toBeUndefined();
  expect(choices[0]!.message.content).not.toBe("");
});

test("by default, an answer is text or calls that parse", async () => {
  const { choices } = await openai.chat.completions.create({
    ...request,
    n: 2,
    temperature: 1,
    seed: 5,
    max_tokens: 60,
  });
  for (const { message, finish_reason } of choices) {
    const calls = (message.tool_calls ?? []) as OpenAI.ChatCompletionMessageFunctionToolCall[];
    for (const call of calls) JSON.parse(call.function.arguments);
    if (finish_reason !== "length") expect(finish_reason).toBe(calls.length > 0 ? "tool_calls" : "stop");
  }
});

const answeredTo = (id: string) => [
  ...request.messages,
  { role: "assistant" as const, tool_calls: [{ ...named, id: "call_1", function: { name: "f", arguments: "{}" } }] },
  { role: "tool" as const, tool_call_id: id, content: "1" },
];

const withParameters = (parameters: object) => ({
  tools: [{ type: "function", function: { name: "f", parameters } }],
  tool_choice: "required",
});

test.each([
  [{ tools: [clock, clock] }, /two tools are called "get_time"/],
  [{ tool_choice: { type: "function", function: { name: "get_tim" } } }, /no tool "get_tim".*get_time/],
  [{ tools: [], tool_choice: "required" }, /there are no tools/],
  [{ response_format: { type: "json_object" } }, /expected tools or a format, got both/],
  [
    { tools: [{ type: "function", function: { name: "f", parameters: { type: "objekt" } } }] },
    /expected a JSON schema .*objekt/,
  ],
  [withParameters({ type: "string" }), /^tools\.0\.function\.parameters: expected a JSON schema of type "object", got/],
  [withParameters({ type: ["object", "null"] }), /^tools\.0\.function\.parameters: expected a JSON schema of type/],
  [withParameters({ anyOf: [{ type: "string" }] }), /no finite value matches it|cannot be satisfied/],
  [{ messages: answeredTo("call_2") }, /^messages\.2\.tool_call_id: expected the id of a call/],
  [{ messages: [{ role: "user" }] }, /^messages\.0\.content: expected a text/],
])("%j is refused with one sentence", async (fields, sentence) => {
  const response = await post(server, "/v1/chat/completions", { ...request, ...fields });
  const { error } = (await response.json()) as { error: { message: string } };
  expect([response.status, error.message]).toEqual([400, expect.stringMatching(sentence)]);
});
