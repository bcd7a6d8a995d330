import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { embed, generateText, streamText } from "ai";
import { parseHTML } from "linkedom";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createIndex } from "../index.ts";
import { receiptSchema } from "../ledger/receipt.ts";
import { Indexes } from "./indexes.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
let openai: OpenAI;
const home = mkdtempSync(path.join(tmpdir(), "modicum-clients-"));
beforeAll(async () => {
  server = await serveModels(["smollm2", TINY[1]!, "clip-tiny"], { indexes: await oneIndex() });
  openai = openaiOf(server);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(home, { recursive: true });
});

/** An index that the examples search, in a temporary home folder. */
async function oneIndex(): Promise<Indexes> {
  vi.stubEnv("MODICUM_HOME", home);
  await using created = await createIndex("notes", { embedding: "none" });
  await created.add([{ id: "a", text: "The train is late again." }]);
  const indexes = await Indexes.open(["notes"], undefined);
  vi.unstubAllEnvs();
  return indexes;
}

const question = {
  model: "smollm2",
  messages: [{ role: "user" as const, content: "Name the capital of Japan." }],
  temperature: 0,
  max_tokens: 30,
};

test("a chat with the openai client: the answer, its usage and its receipt", async () => {
  const answer = await openai.chat.completions.create(question);
  expect(answer.choices[0]!.message.content).toMatch(/Tokyo/);
  expect(answer.choices[0]!.finish_reason).toBe("stop");
  const receipt = receiptSchema.parse((answer as unknown as { receipt: unknown }).receipt);
  expect(answer.usage).toMatchObject({
    prompt_tokens: receipt.tokens.prompt,
    completion_tokens: receipt.tokens.completion,
  });
  const stored = await jsonOf(fetch(`${server.url}/v1/receipts/${receipt.id}`));
  expect(stored).toEqual(receipt);
});

test("a stream with the openai client: its pieces form the whole answer, its last chunk has usage and receipt", async () => {
  const whole = await openai.chat.completions.create(question);
  const stream = await openai.chat.completions.create({
    ...question,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.map((c) => c.choices[0]?.delta.content ?? "").join("")).toBe(whole.choices[0]!.message.content);
  const choices = chunks.flatMap((c) => c.choices);
  expect(choices[0]).toMatchObject({ delta: { role: "assistant", content: null }, finish_reason: null });
  expect(choices.filter(({ delta }) => "role" in delta)).toHaveLength(1);
  expect(choices.filter((c) => c.finish_reason)).toEqual([choices.at(-1)]);
  expect(choices.at(-1)!.delta).toEqual({});
  expect(chunks.every((c) => c.system_fingerprint === "build-0.0.0")).toBe(true);
  expect(chunks.filter((c) => c.usage)).toEqual([chunks.at(-1)]);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: whole.usage!.completion_tokens } });
  receiptSchema.parse((chunks.at(-1) as unknown as { receipt: unknown }).receipt);
});

test("a final assistant message is continued, and the answer is the rest", async () => {
  const [whole] = (await openai.chat.completions.create(question)).choices;
  const begun = whole!.message.content!.split(" ").slice(0, 3).join(" ");
  const messages = [...question.messages, { role: "assistant" as const, content: begun }];
  const same = [{}, { continue_final_message: true, add_generation_prompt: false }];
  for (const fields of same) {
    const [rest] = (await openai.chat.completions.create({ ...question, ...fields, messages })).choices;
    expect(begun + rest!.message.content).toBe(whole!.message.content);
  }
});

test("a lone assistant message is not continued, and a request for that is refused", async () => {
  const messages = [{ role: "assistant", content: "The capital of France is" }];
  const refused = await post(server, "/v1/chat/completions", { ...question, messages, continue_final_message: true });
  expect([refused.status, (await jsonOf(refused)).error.message]).toEqual([
    400,
    "continue_final_message: expected false: the last message is not an assistant's text that follows another message, got true",
  ]);
});

test.each([
  [{ continue_final_message: true }, "continue_final_message", /expected false: the last message is not/],
  [{ add_generation_prompt: false }, "add_generation_prompt", /expected true/],
  [{ continue_final_message: false, assistant: "a" }, "continue_final_message", /expected true: the last message is/],
  [{ add_generation_prompt: true, assistant: "a" }, "add_generation_prompt", /expected false/],
])(
  "%j beside another last message is refused",
  async ({ assistant, ...fields }: Record<string, unknown>, param, why) => {
    const messages = [...question.messages, ...(assistant ? [{ role: "assistant", content: assistant }] : [])];
    const response = await post(server, "/v1/chat/completions", { ...question, ...fields, messages });
    const { error } = await jsonOf(response);
    expect([response.status, error.param, error.message]).toEqual([400, param, expect.stringMatching(why)]);
  },
);

test("a special token in a user's text is plain text to the model, of several tokens", async () => {
  const count = async (content: string) => {
    const messages = [{ role: "user" as const, content }];
    return (await openai.chat.completions.create({ ...question, messages, max_tokens: 1 })).usage!.prompt_tokens;
  };
  expect((await count("a<|im_end|>")) - (await count("a"))).toBeGreaterThan(3);
});

test("errors are the openai client's typed ones", async () => {
  const failing = (changes: object) => openai.chat.completions.create({ ...question, ...changes }).catch((e) => e);
  const missing = await failing({ model: "smolm2" });
  expect(missing).toBeInstanceOf(OpenAI.NotFoundError);
  expect([missing.code, missing.param, missing.message]).toEqual([
    "model_not_found",
    "model",
    expect.stringMatching(/did you mean "smollm2"/),
  ]);
  expect(await failing({ temperature: 9 })).toBeInstanceOf(OpenAI.BadRequestError);
  expect(await failing({ stream: true, max_tokens: 0 })).toBeInstanceOf(OpenAI.BadRequestError);
  expect(await failing({ messages: [{ role: "user", content: "a ".repeat(9000) }] })).toBeInstanceOf(
    OpenAI.BadRequestError,
  );
});

test("embeddings with the openai client, which requests base64 by default", async () => {
  const request = { model: "sentences", input: ["A man is eating food.", "b"] };
  const [packed, plain] = [
    await openai.embeddings.create(request),
    await openai.embeddings.create({ ...request, encoding_format: "float" }),
  ];
  expect(packed.data.map((d) => d.index)).toEqual([0, 1]);
  for (const [i, { embedding }] of packed.data.entries())
    expect(Math.max(...embedding.map((v, j) => Math.abs(v - plain.data[i]!.embedding[j]!)))).toBeLessThan(1e-5);
});

test("the Vercel AI SDK: a chat, a stream and an embedding", async () => {
  const modicum = createOpenAICompatible({ name: "modicum", baseURL: `${server.url}/v1`, includeUsage: true });
  const settings = { prompt: "Name the capital of Japan.", temperature: 0, maxOutputTokens: 30, maxRetries: 0 };
  const answer = await generateText({ model: modicum("smollm2"), ...settings });
  expect([answer.text, answer.finishReason]).toEqual([expect.stringMatching(/Tokyo/), "stop"]);
  const stream = streamText({ model: modicum("smollm2"), ...settings });
  expect(await stream.text).toBe(answer.text);
  expect((await stream.usage).outputTokens).toBe(answer.usage.outputTokens);
  const { embedding } = await embed({ model: modicum.embeddingModel("sentences"), value: "b" });
  expect(embedding.length).toBeGreaterThan(8);
});

test("LangChain's ChatOpenAI: a chat and a stream", async () => {
  const configuration = { baseURL: `${server.url}/v1` };
  const settings = { model: "smollm2", apiKey: "any", temperature: 0, maxTokens: 30, maxRetries: 0 };
  const chat = new ChatOpenAI({ ...settings, configuration });
  const answer = await chat.invoke("Name the capital of Japan.");
  expect(answer.content).toMatch(/Tokyo/);
  const pieces: string[] = [];
  for await (const piece of await chat.stream("Name the capital of Japan.")) pieces.push(String(piece.content));
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join("")).toBe(answer.content);
  expect(answer.response_metadata["finish_reason"]).toBe("stop");
});

test("the examples on /docs get answers", async () => {
  const { document } = parseHTML(await (await fetch(`${server.url}/docs`)).text());
  const requests = [...document.querySelectorAll("pre")].map(async ({ textContent }) => {
    const [, route, body] = /^curl http:\/\/127\.0\.0\.1:8080(\S+) .*-d '(.+)'$/s.exec(textContent!)!;
    const here = JSON.parse(body!.replace('"minilm"', '"sentences"').replace('"ms-marco"', '"sentences"'));
    // The substitute model has a short context.
    const cut = /embeddings|rerank/.test(route!) && { truncate: true };
    const answer = await jsonOf(post(server, route!, { ...here, ...cut }));
    // A rendered chat runs no model, so it has no receipt.
    if (route!.endsWith("/render")) expect(answer.token_ids.length).toBeGreaterThan(0);
    else receiptSchema.parse(answer.receipt ?? answer);
    return route;
  });
  const names = [
    "v1/chat/completions",
    "v1/chat/completions/render",
    "v1/completions",
    "v1/responses",
    "v1/embeddings",
    "v1/embed",
    "v2/embed",
    "v1/rerank",
    "v2/rerank",
    "v1/classify",
    "v1/recognize",
    "v1/search",
    "v1/answer",
  ];
  expect(await Promise.all(requests)).toEqual(names.map((name) => `/${name}`));
});
