/** Answers over HTTP without sampling fields, and answers that repeat themselves. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, post, serveModels, type Testing, tinyWith } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-own-settings-"));
let server: Testing;
beforeAll(async () => {
  const greedy = path.join(folder, "greedy.gguf");
  const template = "{% for m in messages %}{{ m.content }}{% endfor %}";
  writeFileSync(
    greedy,
    tinyWith({ "tokenizer.chat_template": ["string", template], "general.sampling.top_k": ["uint32", 1] } as never),
  );
  server = await serveModels([greedy]);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const chat = async (more: object) => {
  const messages = [{ role: "user", content: "abc" }];
  const request = { model: "greedy", messages, max_tokens: 8, logprobs: true, ...more };
  const { choices } = await jsonOf(post(server, "/v1/chat/completions", request));
  return choices[0].message.content;
};
const completion = async (more: object) =>
  (await jsonOf(post(server, "/v1/completions", { model: "greedy", prompt: "abc", max_tokens: 8, ...more })))
    .choices[0];

test("a chat without sampling fields uses the model's own settings, with any seed; other chats do not", async () => {
  const greedy = await chat({ temperature: 0 });
  for (const seed of [1, 2, 3]) expect(await chat({ seed })).toBe(greedy);
  const drawn = await Promise.all([1, 2, 3].map((seed) => chat({ seed, temperature: 1 })));
  expect(new Set([greedy, ...drawn]).size).toBe(4);
});

test("a completion never uses them", async () => {
  const texts = await Promise.all([1, 2, 3].map(async (seed) => (await completion({ seed })).text));
  expect(new Set(texts).size).toBe(3);
});

test("an answer that repeats itself says so, whole and streamed, unless detection is off", async () => {
  const loop = { max_tokens: 150, temperature: 0, logit_bias: { 48: 100 } };
  const { text, finish_reason } = await completion(loop);
  expect(finish_reason).toBe("repetition");
  expect((await completion({ ...loop, repetition_detection: false })).finish_reason).toBe("length");
  const events = await (
    await post(server, "/v1/completions", { model: "greedy", prompt: "abc", ...loop, stream: true })
  ).text();
  expect(events).toContain('"finish_reason":"repetition"');
  expect(text).toBe("the".repeat(96));
});
