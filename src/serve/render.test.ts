import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, post, serveModels, type Testing, tinyWithTemplate } from "./serve.testing.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-render-"));
const TEMPLATE = "{% for m in messages %}{{ m.content }}a{% endfor %}{% if short %}b{% endif %}";
let server: Testing;
beforeAll(async () => {
  const file = join(folder, "plain.gguf");
  writeFileSync(file, tinyWithTemplate(TEMPLATE));
  server = await serveModels([file]);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const turn = (content: string, role = "user") => ({ role, content });
const model = "plain";

async function rendered(fields: object): Promise<number[]> {
  const response = await post(server, "/v1/chat/completions/render", { model, ...fields });
  const answer = await jsonOf(response);
  expect([response.status, Object.keys(answer)]).toEqual([200, ["token_ids"]]);
  return answer.token_ids;
}

test("a chat's tokens are the prompt of its answer, and the next turn's begin with them", async () => {
  const messages = [turn("abc")];
  const ids = await rendered({ messages });
  const limits = { model, max_tokens: 6, temperature: 0 };
  const chat = await jsonOf(post(server, "/v1/chat/completions", { ...limits, messages }));
  const completion = await jsonOf(post(server, "/v1/completions", { ...limits, prompt: ids }));
  expect(chat.usage.prompt_tokens).toBe(ids.length);
  expect(completion.choices[0].text).toBe(chat.choices[0].message.content);
  const next = await rendered({ messages: [...messages, turn("b", "assistant"), turn("c")] });
  expect(next.slice(0, ids.length)).toEqual(ids);
  expect(next.length).toBeGreaterThan(ids.length);
  expect(await rendered({ messages, chat_template_kwargs: { short: true } })).not.toEqual(ids);
});

test("what no chat takes is refused as there", async () => {
  const response = await post(server, "/v1/chat/completions/render", { model, messages: [] });
  expect(response.status).toBe(400);
});
