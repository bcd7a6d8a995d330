import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Chunk, load, type Model } from "../index.ts";
import { calledIn } from "./whole-answer.ts";

const Weather = z.strictObject({ city: z.string().max(30), unit: z.enum(["celsius", "fahrenheit"]) });
const weather = {
  type: "function" as const,
  function: { name: "get_weather", description: "The weather in a city now", parameters: z.toJSONSchema(Weather) },
};
const prompt = "What is the weather in Paris?";
const options = { tools: [weather], toolChoice: { name: "get_weather" }, maxTokens: 120 };

let model: Model;
beforeAll(async () => {
  model = await load("smollm2");
});
afterAll(() => model.dispose());

test("complete, generate and completeAll return an answer's calls, by the function's schema", async () => {
  const answer = await model.complete(prompt, options);
  expect(answer.toolCalls).toEqual([{ name: "get_weather", arguments: expect.any(Object) }]);
  Weather.parse(answer.toolCalls![0]!.arguments);
  expect(answer.content).toBe("");
  expect(answer.text).toContain('"get_weather"');
  const chunks: Chunk[] = [];
  for await (const chunk of model.generate(prompt, options)) chunks.push(chunk);
  expect(chunks.at(-1)!.toolCalls).toEqual(answer.toolCalls);
  expect(chunks.slice(0, -1).every((chunk) => !("toolCalls" in chunk))).toBe(true);
  const [one, plain] = await model.completeAll([
    { prompt, ...options },
    { prompt, maxTokens: 2 },
  ]);
  expect(one!.toolCalls).toEqual(answer.toolCalls);
  expect(plain).not.toHaveProperty("toolCalls");
});

test("a call goes back as a turn, followed by its result", async () => {
  const { content, toolCalls } = await model.complete(prompt, options);
  const turns = [
    { role: "user", content: prompt },
    {
      role: "assistant",
      content: content!,
      tool_calls: toolCalls!.map((call) => ({ type: "function", function: call })),
    },
    { role: "tool", content: "21 degrees" },
  ];
  const answer = await model.complete(turns, { tools: [weather], toolChoice: "none", maxTokens: 8 });
  expect(answer.receipt.tokens.completion).toBeGreaterThan(0);
  expect(answer).not.toHaveProperty("toolCalls");
});

/** A vocabulary without its own format of tool calls. */
const plain = { templates: {}, specialId: () => undefined };

test("text beside calls is the content; a truncated call remains text", async () => {
  const call = '<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call>';
  expect(await calledIn(`Let me see. ${call}`, { tools: [weather] }, plain)).toEqual({
    content: "Let me see. ",
    toolCalls: [{ name: "get_weather", arguments: { city: "Paris" } }],
  });
  expect(await calledIn("<tool_call>{", { tools: [weather] }, plain)).toEqual({
    content: "<tool_call>{",
    toolCalls: [],
  });
});
