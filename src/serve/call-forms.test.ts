/** Chats with models that write tool calls in their own formats. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reciter } from "../engine/decode/channels/reciter.testing.ts";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const ENDS = ["<|im_end|>", "<|im_start|>"];
const TURNS =
  "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}CALL{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n";
const BARE = TURNS.replace("{% for c in m.tool_calls or [] %}CALL{% endfor %}", "");
const DEEP = ["calls▁begin", "call▁begin", "sep", "call▁end", "calls▁end"].map((it) => `<｜tool▁${it}｜>`);
const [BEGIN, ONE, SEP, END, CLOSE] = DEEP as [string, string, string, string, string];

/** Each answers "So: ", and calls f with a=1 and b="x". */
const models = {
  lfm2: {
    template: BARE,
    special: ["<|tool_call_start|>", "<|tool_call_end|>"],
    script: ["So: ", "<|tool_call_start|>", '[f(a=1, b="', 'x")]', "<|tool_call_end|>"],
  },
  cohere: {
    template: `${TURNS}{# <|START_ACTION|> #}`,
    special: ["<|START_ACTION|>", "<|END_ACTION|>"],
    script: [
      "So: ",
      "<|START_ACTION|>",
      '[{"tool_call_id": "0",',
      ' "tool_name": "f", "parameters": {"a": 1, "b": "x"}}]',
      "<|END_ACTION|>",
    ],
  },
  deepseek: {
    template: `${TURNS}{# ${BEGIN} #}`,
    special: DEEP,
    script: ["So: ", BEGIN, ONE, "function", SEP, "f\n```json\n", '{"a": 1, "b": "x"}', "\n```", END, CLOSE],
  },
  gemma: {
    template: `${TURNS}{# <|tool_call> #}`,
    special: ["<|tool_call>", "<tool_call|>"],
    script: ["So: ", "<|tool_call>", 'call:f{a:1,b:<|"', '|>x<|"|>}', "<tool_call|>"],
  },
  llama: {
    template: `${TURNS}{# <|header_start|> parameters #}`,
    special: [],
    script: ["So: ", '{"name": "f", ', '"parameters": {"a": 1, ', '"b": "x"}}'],
  },
  glm: {
    template: `${TURNS}{# <tool_call> <arg_key> #}`,
    special: [],
    script: [
      "So: ",
      "<tool",
      "_call>f\n",
      "<arg_key>a</arg_key>\n<arg_value>1",
      "</arg_value>\n<arg_key>b</arg_key>\n",
      "<arg_value>x</arg_value>\n</tool_call>",
    ],
  },
  coder: {
    template: `${TURNS}{# <function= <parameter= #}`,
    special: [],
    script: [
      "So: ",
      "<tool_call>\n<func",
      "tion=f>\n<parameter=a>\n1\n</par",
      "ameter>\n<parameter=b>\nx\n</parameter>\n</function>\n",
      "</tool_call>",
    ],
  },
};

/** The beginning of a required call of g, in the formats that are JSON. */
const held: Readonly<Record<string, RegExp>> = {
  cohere: /^\{\s*"tool_call_id":\s*"0/,
  // The prompt already holds the function's name; the call is complete without arguments.
  deepseek: /^g$/,
};

const folder = mkdtempSync(path.join(tmpdir(), "modicum-call-forms-"));
let server: Testing;
beforeAll(async () => {
  const files = Object.entries(models).map(([name, { template, script, special }]) => {
    const file = path.join(folder, `${name}.gguf`);
    writeFileSync(file, reciter({ template, script, special: [...ENDS, ...special] }));
    return file;
  });
  server = await serveModels(files);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const parameters = { properties: { a: { type: "integer" }, b: { type: "string" } } };
const tools = [{ type: "function", function: { name: "f", parameters } }];
const body = { messages: [{ role: "user", content: "Go." }], tools, temperature: 0, max_tokens: 60 };
const answer = async (model: string, more: object = {}) =>
  (await jsonOf(post(server, "/v1/chat/completions", { ...body, model, ...more }))).choices[0];
const called = { type: "function", function: { name: "f", arguments: '{"a":1,"b":"x"}' } };

describe.each(Object.keys(models))("%s", (model) => {
  test("an answer's calls are separated from its text, whole and streamed", async () => {
    const { message, finish_reason } = await answer(model);
    expect(finish_reason).toBe("tool_calls");
    expect(message).toMatchObject({ content: "So: ", tool_calls: [called] });
    const events = await (await post(server, "/v1/chat/completions", { ...body, model, stream: true })).text();
    const chunks = [...events.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!));
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }: { delta: object }) => delta));
    expect(deltas.map(({ content }) => content ?? "").join("")).toBe("So: ");
    expect(deltas.flatMap(({ tool_calls = [] }) => tool_calls)).toMatchObject([{ index: 0, ...called }]);
  });

  test("calls go back to the model, and without tools all its tokens are text", async () => {
    const calls = { role: "assistant", content: "", tool_calls: [{ id: "call_1", ...called }] };
    const messages = [...body.messages, calls, { role: "tool", tool_call_id: "call_1", content: "7" }];
    expect((await answer(model, { messages })).finish_reason).toBe("tool_calls");
    const { message } = await answer(model, { tools: undefined });
    expect(message.tool_calls).toBeUndefined();
    for (const tag of models[model as keyof typeof models].special) expect(message.content).not.toContain(tag);
  });

  test("a required call uses the model's form if that is JSON, else the usual one", async () => {
    const bare = [{ type: "function", function: { name: "g" } }];
    // The model fills its tokens with white space, which JSON allows, so the unfinished call remains text.
    const { message } = await answer(model, { tools: bare, tool_choice: "required" });
    expect(message.content ?? message.tool_calls[0].function.name).toMatch(held[model] ?? /^\{\s*"name":\s*"g"/);
  });
});
