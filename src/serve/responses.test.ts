import { ChatOpenAI } from "@langchain/openai";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { receiptSchema } from "../ledger/receipt.ts";
import { bigAt, briefly, startVllm, type Vllm, withoutEnd } from "./fleet/vllm.testing.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing } from "./serve.testing.ts";

let server: Testing;
let vllm: Vllm;
let openai: OpenAI;
beforeAll(async () => {
  vllm = await startVllm();
  server = await serveModels(["smollm2"], {}, [await bigAt(vllm.url)]);
  openai = openaiOf(server);
});
afterAll(async () => {
  await server.stop(0);
  vllm.stop();
});
beforeEach(() => {
  Object.assign(vllm, { manner: "answers", pause: briefly, left: 0 });
  vllm.got.length = 0;
});

// biome-ignore lint/suspicious/noExplicitAny: what comes is what is tested
type Any = any;
const QUESTION = "Name the capital of Japan.";
const question = { model: "smollm2", input: QUESTION, temperature: 0, max_output_tokens: 12, metadata: { a: "b" } };

/** A stream's events, and the response that the openai client assembles from them. */
async function streamed(more: object = {}) {
  const stream = openai.responses.stream({ ...question, ...more });
  const events: Any[] = [];
  for await (const event of stream) events.push(event);
  return { events, final: await stream.finalResponse() };
}

/** The plain response, requested only once. */
let plain: Promise<OpenAI.Responses.Response> | undefined;
const whole = () => (plain ??= openai.responses.create(question));

describe("a response with the openai client", () => {
  test("is the chat's answer, with its usage and its receipt, and is not stored", async () => {
    const chat = await openai.chat.completions.create({
      ...{ model: "smollm2", messages: [{ role: "user", content: QUESTION }], temperature: 0, max_tokens: 12 },
    });
    const response = await whole();
    expect(response.output_text).toBe(chat.choices[0]!.message.content);
    expect(response).toMatchObject({
      ...{ object: "response", status: "completed", error: null, incomplete_details: null, store: false },
      ...{ model: "smollm2", metadata: { a: "b" }, temperature: 0, max_output_tokens: 12 },
      output: [{ type: "message", role: "assistant", status: "completed" }],
      usage: { input_tokens: chat.usage!.prompt_tokens, output_tokens: chat.usage!.completion_tokens },
    });
    const receipt = receiptSchema.parse((response as Any).receipt);
    expect(await jsonOf(fetch(`${server.url}/v1/receipts/${receipt.id}`))).toEqual(receipt);
  });

  test("streams events of all kinds in order, and ends with the whole response", async () => {
    const { output, output_text: text, usage } = await whole();
    const { events, final } = await streamed();
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
    const kinds = events.map(({ type }) => type.replace("response.", ""));
    const deltas = kinds.filter((kind) => kind === "output_text.delta");
    expect(deltas.length).toBeGreaterThan(1);
    expect(kinds).toEqual([
      ...["created", "in_progress", "output_item.added", "content_part.added", ...deltas],
      ...["output_text.done", "content_part.done", "output_item.done", "completed"],
    ]);
    expect(events.map(({ type, delta }) => (type.endsWith("delta") ? delta : "")).join("")).toBe(text);
    expect(final.output_text).toBe(text);
    const { response } = events.at(-1);
    receiptSchema.parse(response.receipt);
    expect(response.output[0].content).toEqual((output[0] as OpenAI.Responses.ResponseOutputMessage).content);
    expect(response.usage.output_tokens).toBe(usage!.output_tokens);
  });

  test("names its events by their type, and has nothing after the last", async () => {
    const text = await (
      await post(server, "/v1/responses", { ...question, max_output_tokens: 2, stream: true })
    ).text();
    const events = text.trimEnd().split("\n\n");
    for (const event of events) {
      const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(event)!;
      expect(JSON.parse(data!).type).toBe(name);
    }
    expect(events.at(-1)).toMatch(/^event: response.incomplete/);
  });

  test("that reaches its maximum tokens is incomplete, whole and streamed", async () => {
    const cut = { ...question, max_output_tokens: 3 };
    const incomplete = { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } };
    expect(await openai.responses.create(cut)).toMatchObject({ ...incomplete, output: [{ status: "incomplete" }] });
    expect((await streamed(cut)).events.at(-1)).toMatchObject({ type: "response.incomplete", response: incomplete });
  });

  test("that is deterministic takes no part of a chunk from the cache", async () => {
    await whole();
    const response = await post(server, "/v1/responses", { ...question, deterministic: true });
    expect(response.headers.get("x-ignored-fields")).toBeNull();
    expect((await jsonOf(response)).receipt.tokens.cached).toBe(0);
  });

  test("is parsed by a zod schema, whole and streamed", async () => {
    const City = z.object({ city: z.enum(["Tokyo"]), coastal: z.literal(true) });
    const request = { max_output_tokens: 60, text: { format: zodTextFormat(City, "city") } };
    const parsed = { city: "Tokyo", coastal: true };
    expect((await openai.responses.parse({ ...question, ...request })).output_parsed).toEqual(parsed);
    expect((await streamed(request)).final.output_parsed).toEqual(parsed);
  });

  test("has log-probabilities of its tokens on request", async () => {
    const request = { ...question, include: ["message.output_text.logprobs" as const], top_logprobs: 2 };
    const { output, output_text: text } = await openai.responses.create(request);
    const { logprobs } = (output[0] as Any).content[0];
    expect(logprobs.map(({ token }: { token: string }) => token).join("")).toBe(text);
    expect(logprobs[0].top_logprobs).toHaveLength(2);
    const deltas = (await streamed(request)).events.flatMap((event) =>
      event.type.endsWith("delta") ? event.logprobs : [],
    );
    expect(deltas).toEqual(logprobs);
  });
});

describe("tools with the openai client", () => {
  /** Only one value matches, so a call's arguments do not depend on the model. */
  const parameters = z.toJSONSchema(z.strictObject({ city: z.enum(["Paris"]) }));
  const named = { type: "function" as const, name: "get_weather" };
  const weather = { ...named, parameters, strict: true };
  const request = {
    ...question,
    ...{ input: "What is the weather in Paris?", tools: [weather], tool_choice: "required" as const },
    max_output_tokens: 100,
  };
  const CALL = { type: "function_call", name: "get_weather", arguments: '{"city":"Paris"}', status: "completed" };
  test("the call goes back with its output, and an answer arrives", async () => {
    const called = await openai.responses.create(request);
    expect(called.output).toMatchObject([{ ...CALL, call_id: expect.stringMatching(/^call_/) }]);
    const [call] = called.output as OpenAI.Responses.ResponseFunctionToolCall[];
    const turn = { role: "user" as const, content: request.input };
    const result = { type: "function_call_output" as const, call_id: call!.call_id, output: '{"degrees": 21}' };
    const next = (input: OpenAI.Responses.ResponseInput) =>
      openai.responses.create({ ...request, input, tool_choice: "none", max_output_tokens: 5 });
    const [answer, without] = [await next([turn, ...input(called), result]), await next([turn])];
    expect(answer.output).toMatchObject([{ type: "message" }]);
    // The model reads the call and its result.
    expect(answer.usage!.input_tokens).toBeGreaterThan(without.usage!.input_tokens + 15);
    // Output is valid input: none of its fields is reported as ignored.
    const { response } = await next([turn, ...input(called), result, ...input(answer), turn]).withResponse();
    expect(response.headers.get("x-ignored-fields")).toBeNull();
  });

  test("allowed tools are called, and no others", async () => {
    const tools = [{ ...weather, name: "get_time" }, weather];
    const tool_choice = { type: "allowed_tools" as const, mode: "required" as const, tools: [named] };
    expect((await openai.responses.create({ ...request, tools, tool_choice })).output).toMatchObject([CALL]);
    const other = { ...tool_choice, tools: [{ ...named, name: "get_rain" }] };
    await expect(openai.responses.create({ ...request, tools, tool_choice: other })).rejects.toThrow(
      /no tool "get_rain"/,
    );
  });

  test("streamed, the client assembles the call", async () => {
    const { events, final } = await streamed({ ...request, tool_choice: named });
    const kinds = events.map(({ type }) => type.replace(/response\.|function_call_/g, ""));
    expect(kinds).toEqual([
      ...["created", "in_progress", "output_item.added", "arguments.delta", "arguments.done", "output_item.done"],
      "completed",
    ]);
    expect(events.at(-1).response.output).toMatchObject([CALL]);
    expect(final.output).toMatchObject([{ ...CALL, parsed_arguments: { city: "Paris" } }]);
  });
});

/** A response's output as a later input. */
const input = ({ output }: OpenAI.Responses.Response) => output as OpenAI.Responses.ResponseInput;

test("LangChain's ChatOpenAI requests responses: an answer, and a stream", async () => {
  const chat = new ChatOpenAI({
    ...{ model: "smollm2", apiKey: "any", temperature: 0, maxTokens: 12, maxRetries: 0, useResponsesApi: true },
    configuration: { baseURL: `${server.url}/v1` },
  });
  const answer = await chat.invoke(QUESTION);
  expect(answer.text).toBe((await whole()).output_text);
  let text = "";
  for await (const piece of await chat.stream(QUESTION)) text += piece.text;
  expect(text).toBe(answer.text);
});

test("items are the turns of a chat: the model reads the same tokens", async () => {
  const call = { name: "f", arguments: '{"a":1}' };
  const chat = await openai.chat.completions.create({
    ...{ model: "smollm2", max_tokens: 1 },
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello there" },
      { role: "assistant", content: "I call.", tool_calls: [{ type: "function", id: "c", function: call }] },
      { role: "tool", tool_call_id: "c", content: "2 or 3" },
      { role: "assistant", content: "Done." },
      { role: "user", content: "Thanks" },
    ],
  });
  const response = await openai.responses.create({
    ...{ model: "smollm2", max_output_tokens: 1, instructions: "Be brief." },
    input: [
      { type: "message", role: "user", content: [{ type: "input_text", text: "Hello" }, ...parts(" there")] },
      { role: "assistant", content: "I call." },
      { type: "function_call", call_id: "c", ...call },
      { type: "function_call_output", call_id: "c", output: parts("2 or", " 3") },
      { role: "assistant", content: "Done." },
      { role: "user", content: "Thanks" },
    ],
  });
  expect(response.usage!.input_tokens).toBe(chat.usage!.prompt_tokens);
});
const parts = (...texts: string[]) => texts.map((text) => ({ type: "input_text" as const, text }));

describe("errors are the client's typed ones, with the request's own fields", () => {
  const failing = (changes: object) => openai.responses.create({ ...question, ...changes } as Any).catch((e) => e);
  const tool = { type: "function", name: "f" };
  const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" };

  test.each([
    [{ previous_response_id: "resp_1" }, "previous_response_id", /the server keeps no responses/],
    [{ conversation: "conv_1" }, "conversation", /the server keeps no responses/],
    [{ store: true }, "store", /expected false/],
    [{ max_tokens: 5 }, "max_tokens", /use max_output_tokens/],
    [{ reasoning_effort: "low" }, "reasoning_effort", /use reasoning.effort/],
    [{ instruction: "x" }, "instruction", /did you mean "instructions"/],
    [
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, "x"])) },
      "metadata",
      /at most 16 strings/,
    ],
    [{ background: true }, "background", /expected false/],
    [{ truncation: "auto" }, "truncation", /expected "disabled"/],
    [{ reasoning: { effort: "hihg" } }, "reasoning.effort", /expected one of none, minimal, low/],
    [{ prompt: { id: "p" } }, "prompt", /stores no prompts/],
    [{ tools: [{ type: "web_search" }] }, "tools.0.type", /expected "function"/],
    [{ tools: [{ ...tool, parameters: { type: "string" } }] }, "tools.0.parameters", /of type "object"/],
    [{ input: [{ type: "item_reference", id: "msg_1" }] }, "input.0.type", /items are not stored, so no request/],
    [{ input: 5 }, "input", /expected a text, or a list of 1 to 4096 items/],
    [
      { input: [{ role: "user", content: [{ type: "input_image" }] }] },
      "input.0.content.0.type",
      /models here read text/,
    ],
    [
      { input: [call, { type: "function_call_output", call_id: "d", output: "" }] },
      "input.1.call_id",
      /expected the id of a call/,
    ],
    [{ input: [{ ...call, arguments: "{" }] }, "input.0.tool_calls", /JSON arguments/],
    [{ text: { format: { type: "json_schema", name: "a b", schema: {} } } }, "text.format.name", /a name of 1 to 64/],
    [{ text: { verbosity: "low" } }, "text.verbosity", /expected "medium"/],
    [{ temperature: 9 }, "temperature", /at most 2/],
  ])("%j", async (changes, param, sentence) => {
    const error = await failing(changes);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect([error.param, error.message]).toEqual([param, expect.stringMatching(sentence)]);
    expect(error.message).toContain(`400 ${param}: `);
  });

  test("with their status, even in a stream, until its first event", async () => {
    for (const stream of [false, true]) {
      expect(await failing({ model: "smolm2", stream })).toBeInstanceOf(OpenAI.NotFoundError);
      expect(await failing({ input: "a ".repeat(9000), stream })).toMatchObject({
        ...{ status: 400, code: "context_length_exceeded" },
      });
    }
  });

  test("fields that request the default, or something that never exists, are harmless", async () => {
    const harmless = { store: false, background: false, truncation: "disabled", reasoning: {}, user: "u" };
    const none = { previous_response_id: null, include: ["reasoning.encrypted_content"], service_tier: "auto" };
    expect(await failing({ ...harmless, ...none, max_output_tokens: 1 })).toMatchObject({ object: "response" });
  });
});

describe("a model on other servers", () => {
  const request = { ...question, model: "big" };

  test("answers a response, whole and streamed, requested as a chat", async () => {
    const response = await openai.responses.create(request);
    expect(response.output_text).toBe("The capital is Tokyo");
    expect(response.usage).toMatchObject({ input_tokens: 11, output_tokens: 4 });
    expect((response as Any).receipt).toMatchObject({ model: "big", estimated: true });
    const { events } = await streamed({ model: "big" });
    expect(events.at(-1)).toMatchObject({ type: "response.completed", response: { usage: { input_tokens: 11 } } });
    expect(events.at(-1).response.output).toMatchObject([{ content: [{ text: "The capital is Tokyo" }] }]);
    for (const { body } of vllm.got)
      expect(body).toMatchObject({ messages: [{ role: "user", content: QUESTION }], max_tokens: 12 });
  });

  test("that breaks off ends the stream with a failed response", async () => {
    vllm.manner = "dies-late";
    const { events } = await streamed({ model: "big" });
    expect(events.at(-1)).toMatchObject({
      type: "response.failed",
      response: { status: "failed", error: { message: expect.stringMatching(/big/) } },
    });
    expect(events.at(-1).response.output).toMatchObject([{ status: "incomplete", content: [{ text: "The" }] }]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
  });

  test("is abandoned when a client leaves the stream", async () => {
    vllm.pause = withoutEnd;
    const stream = await openai.responses.create({ ...request, stream: true });
    for await (const { type } of stream) if (type === "response.output_text.delta") break;
    await expect.poll(() => vllm.left).toBe(1);
  });

  test("is the larger of a pair: the response says where it went", async () => {
    const model = "smollm2>big@t=inf";
    const response = await openai.responses.create({ ...question, model });
    expect(response).toMatchObject({
      model,
      output_text: "The capital is Tokyo",
      route: { to: "super", model: "big" },
    });
    expect((await streamed({ model: "smollm2>big@t=-inf" })).final).toMatchObject({
      ...{ route: { to: "swift", model: "smollm2" }, receipt: { model: "smollm2>big" } },
    });
  });
});
