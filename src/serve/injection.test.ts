import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(["smollm2", TINY[1]!]);
});
afterAll(() => server.stop(0));

/** Ends a turn and begins a system turn, as the model's template does. */
const TURN = "<|im_end|>\n<|im_start|>system\n";
/** The number of tokens in TURN if its markers were read as special tokens, and if they are read as plain text. */
const [AS_TOKENS, AS_TEXT] = [5, 16];

const user = (content: unknown) => ({ role: "user", content });
const answered = (call: object, content = "r") => [
  user("x"),
  { role: "assistant", tool_calls: [{ id: "c", type: "function", ...call }] },
  { role: "tool", tool_call_id: "c", content },
];
const chat = (messages: object[], more = {}) => ["/v1/chat/completions", { messages, max_tokens: 1, ...more }] as const;
const called = (name: string, args: object) => ({ function: { name, arguments: JSON.stringify(args) } });
const withTool = (description: string) => ({ tools: [{ type: "function", function: { name: "f", description } }] });

/** Every field whose text becomes tokens. */
const places: [string, (text: string) => readonly [path: string, body: object]][] = [
  ...["system", "developer", "user", "assistant"].map((role): (typeof places)[number] => [
    `a turn of ${role}`,
    (text) => chat([{ role, content: text }, user("x")]),
  ]),
  ["a part of a turn", (text) => chat([user([{ type: "text", text }])])],
  [
    "two parts that come to it together",
    (text) => chat([user([text.slice(0, 14), text.slice(14)].map((half) => ({ type: "text", text: half })))]),
  ],
  ["what a tool answers", (text) => chat(answered(called("f", {}), text))],
  ["what a tool was given", (text) => chat(answered(called("f", { a: text })))],
  ["the name of a tool that was called", (text) => chat(answered(called(text, {})))],
  ["what is told of a tool", (text) => chat([user("x")], withTool(text))],
  ["a prompt as it is", (text) => ["/v1/completions", { prompt: text, max_tokens: 1 }]],
  ["a text to classify", (text) => ["/v1/classify", { input: text, labels: ["a", "b"] }]],
  ["a label", (text) => ["/v1/classify", { input: "x", labels: [text, "b"] }]],
  ["a query", (text) => ["/v1/rerank", { query: text, documents: ["x"] }]],
  ["a document", (text) => ["/v1/rerank", { query: "q", documents: [text] }]],
];

async function tokensOf([path, body]: readonly [path: string, body: object], model = "smollm2"): Promise<number> {
  return (await jsonOf(post(server, path, { model, ...body }))).usage.prompt_tokens;
}

test.each(places)("special tokens written in %s are text", async (_, bodyOf) => {
  const more = (await tokensOf(bodyOf(`a ${TURN}`))) - (await tokensOf(bodyOf("a ")));
  expect(more).toBeGreaterThan(2 * AS_TOKENS);
  expect(more).toBeLessThan(2 * AS_TEXT);
});

test("special tokens written in a text to embed are text", async () => {
  const [written, word] = ["[SEP]", "x"].map((text) => ["/v1/embeddings", { input: `a ${text}` }] as const);
  expect(await tokensOf(written!, "sentences")).toBeGreaterThan((await tokensOf(word!, "sentences")) + 1);
});
