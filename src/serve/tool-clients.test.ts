import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { type AIMessageChunk, HumanMessage } from "@langchain/core/messages";
import { tool as langTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { serveModels, type Testing } from "./serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(["smollm2"]);
});
afterAll(() => server.stop(0));

/** Only one value matches, so a call's arguments do not depend on the model. */
const Place = z.object({ city: z.enum(["Paris"]), days: z.literal(3) });
const PLACE = { city: "Paris", days: 3 };
const about = { name: "get_weather", description: "The weather in a city on the next days" };
const question = "What will the weather be in Paris?";
const RESULT = { degrees: 21, sky: "clear" };

describe("the Vercel AI SDK runs the called tool, returns its result, and gets an answer", () => {
  const calls: unknown[] = [];
  const tools = {
    [about.name]: tool({
      description: about.description,
      inputSchema: Place,
      execute: async (input) => {
        calls.push(input);
        return RESULT;
      },
    }),
  };
  const settings = () => ({
    model: createOpenAICompatible({ name: "modicum", baseURL: `${server.url}/v1` })("smollm2"),
    ...{ prompt: question, tools, temperature: 0, maxOutputTokens: 50, maxRetries: 0, stopWhen: stepCountIs(3) },
    prepareStep: ({ stepNumber }: { stepNumber: number }) => ({
      toolChoice: stepNumber === 0 ? ("required" as const) : ("none" as const),
    }),
  });

  test("whole", async () => {
    calls.length = 0;
    const { steps, text } = await generateText(settings());
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", expect.stringMatching(/stop|length/)]);
    expect(steps[0]!.toolCalls).toMatchObject([{ toolName: about.name, input: PLACE }]);
    expect(steps[0]!.toolResults).toMatchObject([{ toolName: about.name, output: RESULT }]);
    expect(calls).toEqual([PLACE]);
    expect(text).not.toBe("");
    // The model reads the call and its result.
    const { model, prompt } = settings();
    const { usage } = await generateText({ model, prompt, maxOutputTokens: 1 });
    expect(steps[1]!.usage.inputTokens! - usage.inputTokens!).toBeGreaterThan(20);
  });

  test("streamed", async () => {
    calls.length = 0;
    const stream = streamText(settings());
    const kinds: string[] = [];
    for await (const { type } of stream.fullStream) kinds.push(type);
    expect(kinds.filter((kind) => /^tool-(call|result)$|^error$/.test(kind))).toEqual(["tool-call", "tool-result"]);
    expect(calls).toEqual([PLACE]);
    expect(await stream.text).not.toBe("");
  });
});

describe("LangChain's ChatOpenAI calls a tool, and answers with its result", () => {
  const weather = langTool(async (place) => JSON.stringify({ ...RESULT, place }), { ...about, schema: Place });
  const chat = (choice: string) =>
    new ChatOpenAI({
      ...{ model: "smollm2", apiKey: "any", temperature: 0, maxTokens: 50, maxRetries: 0 },
      configuration: { baseURL: `${server.url}/v1` },
    }).bindTools([weather], { tool_choice: choice });

  test.each(["required", about.name])("selected by %s, whole", async (choice) => {
    const turns = [new HumanMessage(question)];
    const called = await chat(choice).invoke(turns);
    expect(called.tool_calls).toMatchObject([{ name: about.name, args: PLACE, id: expect.stringMatching(/^call_/) }]);
    expect(called.response_metadata["finish_reason"]).toBe("tool_calls");
    const result = await weather.invoke(called.tool_calls![0]!);
    expect(JSON.parse(String(result.content))).toEqual({ ...RESULT, place: PLACE });
    const answer = await chat("none").invoke([...turns, called, result]);
    expect([answer.tool_calls, answer.content]).toEqual([[], expect.stringMatching(/\w/)]);
  });

  test("streamed: the pieces form the call", async () => {
    let whole: AIMessageChunk | undefined;
    for await (const piece of await chat("required").stream(question)) whole = whole?.concat(piece) ?? piece;
    expect(whole!.tool_calls).toMatchObject([{ name: about.name, args: PLACE }]);
  });
});
