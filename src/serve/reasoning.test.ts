/** Chats with models that reason before they answer. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reciter } from "../engine/decode/channels/reciter.testing.ts";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const SPECIAL = ["<|im_end|>", "<|im_start|>"];
const TURNS =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}";
/** The model opens its reasoning itself, as in Qwen3; a template variable closes it at once. */
const ASKS = `${TURNS}{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}`;
/** The prompt opens the reasoning, as in DeepSeek-R1. */
const OPENS = `${TURNS}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}`;
/** A template that names only one of the tags. */
const BEGINS = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}<|im_start|>assistant\n<think>\n";
const SILENT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";

const THOUGHT = ["Two and", " two is", " four.\n"];
const CALL = ["\n\n<tool_call>\n", '{"name": "f",', ' "arguments": {}}', "\n</tool_call>"];
const models = {
  asks: { template: ASKS, script: ["<think>", "\n\n", ...THOUGHT, "</think>", "\n\nIt", " is 4"] },
  control: { template: ASKS, script: ["<think>", "\n\n", ...THOUGHT, "</think>", "\n\nIt", " is 4"], tags: true },
  opens: { template: OPENS, script: [...THOUGHT, "</think>", "\n\nIt", " is 4"] },
  begins: { template: BEGINS, script: [...THOUGHT, "</think>", "\n\nIt", " is 4"] },
  calls: { template: OPENS, script: [...THOUGHT, "</think>", ...CALL] },
  silent: { template: SILENT, script: ["<think>", "\n\n", ...THOUGHT, "</think>", "\n\nIt", " is 4"] },
};

const folder = mkdtempSync(path.join(tmpdir(), "modicum-reasoning-"));
let server: Testing;
beforeAll(async () => {
  const files = Object.entries(models).map(([name, { template, script, ...more }]) => {
    const special = "tags" in more ? [...SPECIAL, "<think>", "</think>"] : SPECIAL;
    const file = path.join(folder, `${name}.gguf`);
    writeFileSync(file, reciter({ template, script, special }));
    return file;
  });
  server = await serveModels(files);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const request = { messages: [{ role: "user", content: "2 + 2?" }], temperature: 0, max_tokens: 40 };
const answer = async (model: string, more: object = {}) => {
  const { choices, usage, ...rest } = await jsonOf(
    post(server, "/v1/chat/completions", { ...request, model, ...more }),
  );
  return { ...rest, ...choices?.[0], usage };
};

/** A stream's deltas, joined per field, and its final usage. */
async function streamed(model: string, more: object = {}) {
  const stream = { stream: true, stream_options: { include_usage: true } };
  const events = await (await post(server, "/v1/chat/completions", { ...request, model, ...stream, ...more })).text();
  const chunks = [...events.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!));
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }: { delta: object }) => delta));
  const joined = (field: string) => deltas.map((delta) => delta[field] ?? "").join("");
  return {
    ...{ deltas, content: joined("content"), reasoning: joined("reasoning_content"), usage: chunks.at(-1).usage },
    calls: deltas.flatMap(({ tool_calls: calls = [] }) => calls),
  };
}

/** True if the prompt opens the reasoning. */
const opened = (model: string): boolean => model === "opens" || model === "begins";
const REASONING = "Two and two is four.";

describe.each(["asks", "control", "opens", "begins"])("of %s", (model) => {
  test("reasoning is separate from the answer, and is counted", async () => {
    const { message, finish_reason, usage } = await answer(model);
    const reasoning = { reasoning_content: REASONING, reasoning: REASONING };
    expect(message).toEqual({ role: "assistant", content: "It is 4", ...reasoning, refusal: null });
    expect(finish_reason).toBe("stop");
    const tokens = opened(model) ? 4 : 6;
    expect([usage.completion_tokens, usage.completion_tokens_details]).toEqual([
      tokens + 3,
      { reasoning_tokens: tokens },
    ]);
  });

  test("a stream is the same piece by piece, the reasoning first", async () => {
    const { deltas, content, reasoning, usage } = await streamed(model);
    expect([content, reasoning]).toEqual(["It is 4", REASONING]);
    expect(deltas[0]).toEqual({ role: "assistant", content: null });
    const fields = deltas.slice(1).flatMap((delta) => Object.keys(delta));
    expect(fields).toEqual([...THOUGHT.flatMap(() => ["reasoning_content", "reasoning"]), "content", "content"]);
    expect(usage).toEqual((await answer(model)).usage);
  });

  test("a format constrains the answer, and not the reasoning", async () => {
    const response_format = { type: "json_schema", json_schema: { schema: { const: 7 } } };
    const { message, finish_reason } = await answer(model, { response_format });
    expect([message.content.trim(), message.reasoning_content, finish_reason]).toEqual(["7", REASONING, "stop"]);
  });

  test("stop texts end the answer, not the reasoning", async () => {
    const { message } = await answer(model, { stop: ["is"] });
    expect([message.content, message.reasoning_content]).toEqual(["It ", REASONING]);
  });

  test("an answer that is cut in its reasoning has no text", async () => {
    const { message, finish_reason } = await answer(model, { max_tokens: opened(model) ? 2 : 4 });
    expect([message.content, message.reasoning_content, finish_reason]).toEqual(["", "Two and two is", "length"]);
  });
});

describe.each(["asks", "control", "opens", "begins"])("a budget of %s", (model) => {
  const opening = opened(model) ? 0 : 1;
  // A tag in the vocabulary is one token.
  const closing = model === "control" ? 2 : "\n</think>".length;
  // The model starts its script again after tokens that the script does not contain.
  const recital = `${opened(model) ? "" : "<think>\n\n"}${REASONING}\n</think>\n\nIt is 4`;

  test("ends the reasoning at its number of tokens, and the text begins", async () => {
    const budget = { thinking_token_budget: 3, max_tokens: 60 };
    const { message, usage } = await answer(model, budget);
    expect(message.reasoning_content).toBe(opened(model) ? REASONING : "Two and two is");
    expect(message.content).toBe(recital);
    expect(usage.completion_tokens_details).toEqual({ reasoning_tokens: opening + 3 + closing });
    expect((await streamed(model, budget)).reasoning).toBe(message.reasoning_content);
  });

  test("of 0 closes it at once", async () => {
    const { message } = await answer(model, { thinking_token_budget: 0, max_tokens: 60 });
    expect(message).not.toHaveProperty("reasoning_content");
    expect(message.content).toBe(recital);
  });

  test("beyond the reasoning changes nothing", async () => {
    const { message, usage } = await answer(model, { thinking_token_budget: 20 });
    const plain = await answer(model);
    expect([message, usage]).toEqual([plain.message, plain.usage]);
  });

  test("leaves a format to the text", async () => {
    const response_format = { type: "json_schema", json_schema: { schema: { const: 7 } } };
    const noSpaces = { 9: -1, 10: -1, 32: -1 };
    const { message } = await answer(model, { response_format, thinking_token_budget: 1, logit_bias: noSpaces });
    expect(message.content.trim()).toBe("7");
  });
});

test("a budget for a model that does not reason is refused", async () => {
  const { error } = await answer("silent", { thinking_token_budget: 5 });
  expect(error).toMatchObject({
    param: "thinking_token_budget",
    message: "thinking_token_budget: expected none, since silent does not reason in chats",
  });
});

test("answers of one request are counted together", async () => {
  expect((await answer("opens", { n: 2 })).usage.completion_tokens_details).toEqual({ reasoning_tokens: 8 });
  expect((await streamed("opens", { n: 2 })).usage.completion_tokens_details).toEqual({ reasoning_tokens: 8 });
});

test("a model whose template marks no reasoning has none: tags are text", async () => {
  const { message, usage } = await answer("silent");
  expect(message).toEqual({
    role: "assistant",
    content: `<think>\n\n${REASONING}\n</think>\n\nIt is 4`,
    refusal: null,
  });
  expect(usage).not.toHaveProperty("completion_tokens_details");
});

const tools = [{ type: "function", function: { name: "f" } }];
const call = { type: "function", function: { name: "f", arguments: "{}" } };

describe("calls", () => {
  test("come after the reasoning", async () => {
    const { message, finish_reason } = await answer("calls", { tools });
    expect(message).toMatchObject({ content: null, reasoning_content: REASONING, tool_calls: [call] });
    expect(finish_reason).toBe("tool_calls");
    const { calls, reasoning } = await streamed("calls", { tools });
    expect([calls, reasoning]).toEqual([[expect.objectContaining(call)], REASONING]);
  });

  test("that are required come without reasoning, which the prompt then closes", async () => {
    const noSpaces = { 9: -1, 10: -1, 32: -1 };
    const { message } = await answer("opens", { tools, tool_choice: "required", logit_bias: noSpaces });
    expect(message).toMatchObject({ content: null, tool_calls: [call] });
    expect(message).not.toHaveProperty("reasoning_content");
  });
});

describe("variables of the template", () => {
  const promptTokens = async (more: object) => (await answer("asks", { max_tokens: 1, ...more })).usage.prompt_tokens;

  test.each([{ chat_template_kwargs: { enable_thinking: false } }, { reasoning_effort: "none" }])(
    "%j switches reasoning off",
    async (more) => {
      expect((await promptTokens(more)) - (await promptTokens({}))).toBe("<think>\n\n</think>\n\n".length);
    },
  );

  test.each(["reasoning_content", "reasoning"])("an earlier answer's %s", async (field) => {
    const turns = (more: object) => ({
      messages: [...request.messages, { role: "assistant", content: "4", ...more }, { role: "user", content: "Sure?" }],
    });
    const more = (await promptTokens(turns({ [field]: "abc" }))) - (await promptTokens(turns({})));
    expect(more).toBe("<think>\nabc\n</think>\n\n".length);
  });

  test.each([
    [
      { chat_template_kwargs: { messages: [] } },
      /^chat_template_kwargs: expected a name other than messages, .*got "messages"$/,
    ],
    [{ chat_template_kwargs: [1] }, /^chat_template_kwargs: expected an object of variable names and values/],
    [{ chat_template_kwargs: { a: "x".repeat(1 << 16) } }, /^chat_template_kwargs: expected at most 65536 characters/],
    [{ reasoning_effort: "hihg" }, /^reasoning_effort: expected one of none, minimal, low/],
  ])("%j is refused", async (more, sentence) => {
    expect((await answer("asks", more)).error.message).toMatch(sentence);
  });
});

test("a continued answer is not reasoning, whatever its prompt opens", async () => {
  const messages = [...request.messages, { role: "assistant", content: "So" }];
  const { message, usage } = await answer("opens", { messages, max_tokens: 2 });
  expect(message).toMatchObject({ content: "Two and two is" });
  expect(message).not.toHaveProperty("reasoning_content");
  const { usage: before } = await answer("opens", { max_tokens: 2 });
  expect(usage.prompt_tokens - before.prompt_tokens).toBe("\n</think>\n\nSo".length);
});

describe("as a response", () => {
  const ask = { input: request.messages, temperature: 0, max_output_tokens: 40 };
  const respond = async (model: string, more: object = {}) =>
    jsonOf(post(server, "/v1/responses", { ...ask, model, ...more }));
  const item = {
    type: "reasoning",
    status: "completed",
    summary: [],
    content: [{ type: "reasoning_text", text: REASONING }],
  };

  test("reasoning is an item before the message, and is counted", async () => {
    const { output, usage } = await respond("opens");
    expect(output).toMatchObject([item, { type: "message", content: [{ text: "It is 4" }] }]);
    expect(usage.output_tokens_details).toEqual({ reasoning_tokens: 4 });
  });

  test("streamed is the same", async () => {
    const events = await (await post(server, "/v1/responses", { ...ask, model: "opens", stream: true })).text();
    const all = [...events.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!));
    const deltas = all.filter(({ type }) => type === "response.reasoning_text.delta").map(({ delta }) => delta);
    expect(deltas).toEqual(["Two and", " two is", " four."]);
    const { output, usage } = all.at(-1).response;
    expect(output).toMatchObject([item, { type: "message", content: [{ text: "It is 4" }] }]);
    expect(usage).toEqual((await respond("opens")).usage);
  });

  test("cut in its reasoning, it has no message", async () => {
    const { status, output } = await respond("opens", { max_output_tokens: 2 });
    expect([status, output]).toEqual([
      "incomplete",
      [expect.objectContaining({ type: "reasoning", status: "incomplete" })],
    ]);
  });

  test("its effort reaches the template, and its reasoning goes back", async () => {
    const { usage, reasoning } = await respond("asks", { max_output_tokens: 1 });
    expect(reasoning).toEqual({ effort: null, summary: null });
    const none = await respond("asks", { max_output_tokens: 1, reasoning: { effort: "none" } });
    expect(none.reasoning.effort).toBe("none");
    expect(none.usage.input_tokens - usage.input_tokens).toBe("<think>\n\n</think>\n\n".length);
    const { output } = await respond("asks");
    const more = { role: "user", content: "Sure?" };
    const inputs = [
      [...request.messages, ...output, more],
      [...request.messages, output[1], more],
    ];
    const counts = await Promise.all(
      inputs.map(async (input) => (await respond("asks", { input })).usage.input_tokens),
    );
    expect(counts[0]! - counts[1]!).toBe(`<think>\n${REASONING}\n</think>\n\n`.length);
  });
});
