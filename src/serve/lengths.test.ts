import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limitOptions } from "./limits.ts";
import { jsonOf, openaiOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 1), { limits: limitOptions.parse({ maxTokens: 3 }) });
});
afterAll(() => server.stop(0));

const text = { model: "tiny", prompt: "x", temperature: 0, repetition_detection: false };

/** How a completion ends, whole and streamed. */
async function ended(fields: object): Promise<unknown[]> {
  const whole = await jsonOf(post(server, "/v1/completions", { ...text, ...fields }));
  const stream = await (await post(server, "/v1/completions", { ...text, ...fields, stream: true })).text();
  const last = JSON.parse(/data: (\{.*\})\n\ndata: \[DONE\]/.exec(stream)![1]!);
  return [whole, last].map(({ choices, receipt }) => [
    choices[0].finish_reason,
    receipt.tokens.completion,
    receipt.cut ?? null,
  ]);
}

const twice = (it: unknown) => [it, it];

test.each([
  [{ max_tokens: 1e9 }, ["length", 3, "tokens"]],
  [{ max_completion_tokens: 4 }, ["length", 3, "tokens"]],
  [{ max_tokens: 3 }, ["length", 3, null]],
  [{ max_tokens: 2 }, ["length", 2, null]],
  [{}, ["length", 3, null]],
])("%j is cut to the server's limit, and the receipt says so", async (fields, end) => {
  expect(await ended(fields)).toEqual(twice(end));
});

test("an answer that reaches the end of the model's context ends there, and the receipt says so", async () => {
  const { message } = await openaiOf(server)
    .completions.create({ ...text, prompt: Array(5000).fill(5) })
    .catch((error) => error);
  const context = Number(/context is (\d+)/.exec(message)![1]);
  const prompt = Array(context - 2).fill(5);
  expect(await ended({ prompt, max_tokens: 3 })).toEqual(twice(["length", 2, "context"]));
  expect(await ended({ prompt, max_tokens: 2 })).toEqual(twice(["length", 2, null]));
});

test("a prompt longer than the context has OpenAI's error code, streamed or not", async () => {
  for (const stream of [false, true]) {
    const error = await openaiOf(server)
      .completions.create({ ...text, prompt: "a ".repeat(5000), stream })
      .catch((error) => error);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect([error.status, error.code, error.type]).toEqual([400, "context_length_exceeded", "invalid_request_error"]);
  }
});
