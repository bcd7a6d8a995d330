import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { turnsOf } from "./generation/turns.ts";
import { jsonOf, serveModels, type Testing, tinyWithTemplate } from "./serve.testing.ts";

/** A template that refuses the same turns as Gemma's and Mistral's. */
const STRICT =
  "{% for m in messages %}{% if m.role == 'system' or (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/…') }}{% endif %}{{ m.content }} {% endfor %}";
const folder = mkdtempSync(path.join(tmpdir(), "modicum-turns-"));
let server: Testing;
beforeAll(async () => {
  const file = path.join(folder, "strict.gguf");
  writeFileSync(file, tinyWithTemplate(STRICT));
  server = await serveModels([file]);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const user = { role: "user", content: "x" };
const assistant = { role: "assistant", content: "y" };
const system = { role: "system", content: "z" };
const calls = {
  role: "assistant",
  tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }],
};
const result = (id: string) => ({ role: "tool", tool_call_id: id, content: "r" });

async function refusalOf(messages: object[]): Promise<[status: number, message: string]> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ model: "strict", messages, max_tokens: 1 });
  const response = await fetch(`${server.url}/v1/chat/completions`, { method: "POST", headers, body });
  return [response.status, (await jsonOf(response)).error?.message ?? ""];
}

test.each([[[user]], [[user, assistant, user]]])("%j is an order that the template accepts", async (messages) => {
  expect(await refusalOf(messages)).toEqual([200, ""]);
});

const MUST_ALTERNATE = /^the chat template cannot render this chat: Conversation roles must alternate/;

test.each<[object[], RegExp]>([
  [[assistant], MUST_ALTERNATE],
  [[user, user], MUST_ALTERNATE],
  [[user, assistant, system], MUST_ALTERNATE],
  [[result("a")], /^messages\.0\.tool_call_id: expected the id of a call in the assistant's turn before it$/],
  [[user, result("a"), calls], /^messages\.1\.tool_call_id: expected the id of a call/],
  [[user, calls, user, result("a")], /^messages\.3\.tool_call_id: expected the id of a call/],
  [[user, calls, result("b")], /^messages\.2\.tool_call_id: expected the id of a call/],
  [[{ role: "assistant" }, user], /^messages\.0\.content: expected a text, got none$/],
])("roles out of order, %j, are refused in one sentence", async (messages, sentence) => {
  expect(await refusalOf(messages)).toEqual([400, expect.stringMatching(sentence)]);
});

test("a result keeps its call's id, by which templates pair them", () => {
  const call = { id: "a", type: "function", function: { name: "f", arguments: "{}" } } as const;
  const turns = turnsOf([
    { role: "assistant", tool_calls: [call] },
    { role: "tool", tool_call_id: "a", name: "f", content: "r" },
  ]);
  expect(turns[1]).toEqual({ role: "tool", tool_call_id: "a", name: "f", content: "r" });
});
