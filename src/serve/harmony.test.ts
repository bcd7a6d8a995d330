/** Chats with models whose answers are messages in channels, as in gpt-oss. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reciter } from "../engine/decode/channels/reciter.testing.ts";
import { openGguf } from "../weights/gguf/index.ts";
import { chatSegments, fromGguf, Tokenizer } from "../weights/tokenizer/index.ts";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const SPECIAL = ["<|return|>", "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>"];
/** The published template's treatment of turns: calls and results by their function's name, no text beside reasoning in a turn with calls, and functions with descriptions. */
const TEMPLATE = `<|start|>system<|message|>Effort: {{ reasoning_effort or "medium" }}{% for tool in tools or [] %}
{{ "// " + tool.function.description + " " + tool.function.name }}{% endfor %}<|end|>{% set called = namespace(name="") %}{% for m in messages %}{% if m.tool_calls %}{% set called.name = m.tool_calls[0].function.name %}{% if m.content and m.thinking %}{{ raise_exception("both") }}{% endif %}{% if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}<|start|>assistant to=functions.{{ called.name }}<|channel|>commentary json<|message|>{{ m.tool_calls[0].function.arguments | tojson }}<|call|>{% elif m.role == "tool" %}<|start|>functions.{{ called.name }} to=assistant<|channel|>commentary<|message|>{{ m.content | tojson }}<|end|>{% elif m.role == "assistant" %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}`;

const THOUGHT = [
  "<|channel|>",
  "analysis",
  "<|message|>",
  "Two and",
  " two is",
  " four.",
  "<|end|>",
  "<|start|>",
  "assistant",
];
const scripts = {
  answers: [...THOUGHT, "<|channel|>", "final", "<|message|>", "It", " is 4"],
  calls: [
    ...THOUGHT,
    "<|channel|>",
    "commentary",
    " to=functions.",
    "f ",
    "<|constrain|>",
    "json",
    "<|message|>",
    '{"x":',
    " 4}",
    "<|call|>",
  ],
};

const folder = mkdtempSync(path.join(tmpdir(), "modicum-harmony-"));
const fileOf = (name: string) => path.join(folder, `${name}.gguf`);
let server: Testing;
beforeAll(async () => {
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(fileOf(name), reciter({ template: TEMPLATE, script, special: SPECIAL }));
  server = await serveModels(Object.keys(scripts).map(fileOf));
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const question = { role: "user", content: "2 + 2?" };
const request = { messages: [question], temperature: 0, max_tokens: 60 };
const answer = async (model: string, more: object = {}) => {
  const { choices, ...rest } = await jsonOf(post(server, "/v1/chat/completions", { ...request, model, ...more }));
  return { ...rest, ...choices?.[0] };
};

/** The deltas of a stream. */
async function streamed(model: string, more: object = {}) {
  const body = { ...request, model, stream: true, ...more };
  const events = await (await post(server, "/v1/chat/completions", body)).text();
  const chunks = [...events.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!));
  return chunks.flatMap(({ choices }) => choices.map(({ delta }: { delta: object }) => delta));
}

/** Biases against white space, which would otherwise win among equally likely tokens wherever a format allows it. */
const NO_SPACES = { 9: -1, 10: -1, 32: -1 };
const REASONING = "Two and two is four.";
const parameters = {
  type: "object",
  properties: { x: { type: "integer" } },
  required: ["x"],
  additionalProperties: false,
};
const tool = { type: "function", function: { name: "f", parameters } };
const tools = [tool, { type: "function", function: { name: "g" } }];
const call = { type: "function", function: { name: "f", arguments: '{"x":4}' } };

describe("an answer", () => {
  test("has separate reasoning, which the end of a message does not end", async () => {
    const { message, finish_reason, usage } = await answer("answers");
    const reasoning = { reasoning_content: REASONING, reasoning: REASONING };
    expect(message).toEqual({ role: "assistant", content: "It is 4", ...reasoning, refusal: null });
    expect([finish_reason, usage.completion_tokens_details]).toEqual(["stop", { reasoning_tokens: 5 }]);
  });

  test("streamed is the same, token by token", async () => {
    const [role, ...deltas] = await streamed("answers");
    expect(role).toEqual({ role: "assistant", content: null });
    expect(deltas).toEqual([
      ...["Two and", " two is", " four."].map((reasoning) => ({ reasoning_content: reasoning, reasoning })),
      ...["It", " is 4"].map((content) => ({ content })),
      {},
    ]);
  });

  test("under a format, its last message follows it, and earlier ones are free", async () => {
    const response_format = { type: "json_schema", json_schema: { schema: { const: 7 } } };
    const { message, finish_reason } = await answer("answers", { response_format });
    expect([message.content.trim(), message.reasoning_content, finish_reason]).toEqual(["7", REASONING, "stop"]);
  });

  test("that a request begins continues the text", async () => {
    const { message } = await answer("answers", {
      messages: [question, { role: "assistant", content: "It" }],
      max_tokens: 4,
    });
    // The model repeats its script from the start; since the message has begun, the script's first word becomes text.
    expect(message).toMatchObject({ content: "analysisTwo and" });
    expect(message).not.toHaveProperty("reasoning_content");
  });
});

describe("a call", () => {
  test("is a message to a function, and ends the answer", async () => {
    const { message, finish_reason } = await answer("calls", { tools });
    expect(message).toMatchObject({ content: null, reasoning_content: REASONING, tool_calls: [call] });
    expect(finish_reason).toBe("tool_calls");
  });

  test("has arguments by the function's schema, whatever the model would write", async () => {
    const parameters = { properties: { x: { const: 5 } }, required: ["x"], additionalProperties: false };
    const held = [{ type: "function", function: { name: "f", parameters } }];
    const { message, finish_reason } = await answer("calls", { tools: held, logit_bias: NO_SPACES });
    expect(message.tool_calls).toMatchObject([{ function: { name: "f", arguments: '{"x":5}' } }]);
    expect([message.reasoning_content, finish_reason]).toEqual([REASONING, "tool_calls"]);
  });

  test("of an unknown function is as the model wrote it", async () => {
    const { message } = await answer("calls", { tools: [{ type: "function", function: { name: "g" } }] });
    expect(message.tool_calls).toMatchObject([call]);
  });

  test("arrives whole in a stream", async () => {
    const deltas = await streamed("calls", { tools });
    expect(deltas.slice(-2)).toEqual([{ tool_calls: [expect.objectContaining({ index: 0, ...call })] }, {}]);
  });

  test("of a named function has arguments by its schema, and no reasoning", async () => {
    const constant = {
      ...tool,
      function: { name: "f", parameters: { properties: { x: { const: 4 } }, required: ["x"] } },
    };
    const named = { tools: [constant], tool_choice: "required", logit_bias: NO_SPACES };
    const { message, finish_reason } = await answer("answers", named);
    expect(message).toEqual({
      role: "assistant",
      content: null,
      tool_calls: [expect.objectContaining(call)],
      refusal: null,
    });
    expect(finish_reason).toBe("tool_calls");
  });

  test("of one of several is refused, since the prompt has its name", async () => {
    const { error } = await answer("answers", { tools, tool_choice: "required" });
    expect(error.message).toMatch(/begins a call with the function's name: expected one function, got 2/);
  });

  test("with its result goes back into the conversation, after its reasoning", async () => {
    const { message } = await answer("calls", { tools });
    const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "4" };
    const messages = [question, { ...message, content: "Let me see." }, result];
    const { message: last, usage } = await answer("answers", { messages, tools });
    expect(last.content).toBe("It is 4");
    const tokenizer = new Tokenizer(fromGguf(openGguf(fileOf("answers")).metadata));
    const turns = [
      question,
      {
        role: "assistant",
        content: "",
        thinking: REASONING,
        tool_calls: [{ function: { name: "f", arguments: { x: 4 } } }],
      },
      { role: "tool", content: "4" },
    ];
    const described = tools.map((it) => ({ ...it, function: { ...it.function, description: "" } }));
    const segments = chatSegments(tokenizer, turns, { addGenerationPrompt: true, tools: described });
    const text = segments.map((segment) => segment.text).join("");
    expect(text).toMatch(
      /<\|start\|>assistant<\|channel\|>analysis<\|message\|>Two and two is four\.<\|end\|><\|start\|>assistant to=functions\.f<\|channel\|>commentary json<\|message\|>\{"x": 4\}<\|call\|><\|start\|>functions\.f to=assistant<\|channel\|>commentary<\|message\|>"4"<\|end\|><\|start\|>assistant$/,
    );
    expect(usage.prompt_tokens).toBe(tokenizer.encodeSegments(segments).length);
  });
});

test.each([
  ["low", -3],
  ["high", -2],
  ["none", -2],
])("the effort %s reaches the template", async (reasoning_effort, longer) => {
  const tokens = async (more: object) => (await answer("answers", { max_tokens: 1, ...more })).usage.prompt_tokens;
  expect((await tokens({ reasoning_effort })) - (await tokens({}))).toBe(longer);
});
