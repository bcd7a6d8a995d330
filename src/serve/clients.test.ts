import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { receiptSchema } from "../ledger/receipt.ts";
import { serveModels, type Testing } from "./serve.testing.ts";

let server: Testing;
let openai: OpenAI;
beforeAll(async () => {
  server = await serveModels(["smollm2"]);
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
});
afterAll(() => server.stop(0));

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
  const kept = await (await fetch(`${server.url}/v1/receipts/${receipt.id}`)).json();
  expect(kept).toEqual(receipt);
});

test("a stream with the openai client: its pieces are the whole answer, its last chunk has usage and receipt", async () => {
  const whole = await openai.chat.completions.create(question);
  const stream = await openai.chat.completions.create({
    ...question,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.map((c) => c.choices[0]?.delta.content ?? "").join("")).toBe(whole.choices[0]!.message.content);
  expect(chunks[0]!.choices[0]!.delta.role).toBe("assistant");
  expect(chunks.filter((c) => c.choices[0]?.finish_reason)).toHaveLength(1);
  expect(chunks.filter((c) => c.usage)).toEqual([chunks.at(-1)]);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: whole.usage!.completion_tokens } });
  receiptSchema.parse((chunks.at(-1) as unknown as { receipt: unknown }).receipt);
});
