import { expect, test } from "vitest";
import { compiled } from "../grammar/compile.ts";
import { answerReader } from "./answer-reader.ts";
import { callingOf } from "./calling.ts";
import type { Tool, ToolChoice } from "./tools.ts";
import { knowsCalls, plainTurns } from "./turns.ts";

const toolOf = (name: string, parameters?: Record<string, unknown>): Tool => ({
  type: "function",
  function: { name, ...(parameters && { parameters }) },
});
const both = [
  toolOf("f"),
  toolOf("g", { $defs: { n: { type: "integer" } }, properties: { a: { $ref: "#/$defs/n" } } }),
];

test("references within a function's schema go from its own root", () => {
  const { forest, root } = compiled(callingOf({ tools: both }).format!);
  const takes = (text: string) => forest.takes(root, Buffer.from(text));
  expect(['{"name":"g","arguments":{"a":1}}', '{"name":"g","arguments":{"a":"1"}}'].map(takes)).toEqual([true, false]);
});

test.each<[Record<string, unknown>]>([[{}], [{ anyOf: [{ required: ["a"] }, {}] }], [{ enum: [{ a: 1 }, "x"] }]])(
  "arguments by %j are an object",
  (parameters) => {
    const { forest, root } = compiled(callingOf({ tools: [toolOf("f", parameters)] }).format!);
    const takes = (value: string) => forest.takes(root, Buffer.from(`{"name":"f","arguments":${value}}`));
    expect(['{"a":1}', '"x"', "1"].map(takes)).toEqual([true, false, false]);
  },
);

test("values that look like references stay as they are", () => {
  const { format } = callingOf({ tools: [toolOf("f", { properties: { a: { const: { $ref: "#/x" } } } })] });
  const { forest, root } = compiled(format!);
  expect(forest.takes(root, Buffer.from('{"name":"f","arguments":{"a":{"$ref":"#/x"}}}'))).toBe(true);
});

test.each<[ToolChoice | undefined, string, boolean]>([
  [undefined, "", true],
  ["auto", "", true],
  ["required", "<tool_call>\n", false],
  [{ name: "g" }, "<tool_call>\n", false],
  [{ mode: "auto", names: ["g"] }, "", true],
  [{ mode: "required", names: ["g"] }, "<tool_call>\n", false],
])("chosen by %j, an answer begins with %j", (toolChoice, begin, free) => {
  const calling = callingOf({ tools: both, toolChoice });
  expect([calling.begin, calling.trigger !== undefined]).toEqual([begin, free]);
});

test.each(["auto", "required"] as const)(
  "of some tools, %s: the model is told of all, and is held to these",
  (mode) => {
    const { tools, format } = callingOf({ tools: both, toolChoice: { mode, names: ["g", "g"] } });
    expect(tools).toEqual(both);
    const { forest, root } = compiled(format!);
    const takes = (text: string) => forest.takes(root, Buffer.from(text));
    expect(['{"name":"g","arguments":{"a":1}}', '{"name":"f","arguments":{}}'].map(takes)).toEqual([true, false]);
  },
);

test("of an answer that may call some tools, a call of another is text", () => {
  const answer = '{"name":"f","arguments":{}}';
  const read = (names: string[]) =>
    answerReader({ tools: both, toolChoice: { mode: "auto", names } })!.push(answer, true);
  expect([read(["g"]), read(["f", "g"])]).toEqual([
    { text: answer, calls: [] },
    { text: "", calls: [{ name: "f", arguments: "{}" }] },
  ]);
});

test("none: the model is told of no tool, and held to nothing but a format", () => {
  expect(callingOf({ tools: both, toolChoice: "none", format: "json" })).toMatchObject({ tools: [], format: "json" });
});

test.each([
  [{ tools: [toolOf("f"), toolOf("f")] }, /two tools are called "f"/],
  [{ tools: both, toolChoice: { name: "ff" } }, /no tool "ff".*"f"/],
  [{ tools: both, toolChoice: { mode: "auto" as const, names: ["f", "gg"] } }, /no tool "gg".*"f"|no tool "gg".*"g"/],
  [{ toolChoice: "required" as const }, /there are no tools/],
  [{ tools: both, format: "json" as const }, /expected tools or a format, got both/],
])("%j is refused", (options, sentence) => {
  expect(() => callingOf(options)).toThrow(sentence);
});

test("for a template that knows no tools, they are told in the system's turn, and calls and results are text", () => {
  const calls = [{ id: "1", type: "function", function: { name: "f", arguments: { a: 1 } } }];
  const turns = plainTurns(
    [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Go." },
      { role: "assistant", content: "", tool_calls: calls },
      { role: "tool", content: "7" },
      { role: "tool", content: "8" },
    ],
    both,
  );
  expect(turns.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"]);
  expect(turns[0]!.content).toMatch(/^Be brief\.\n\nYou can call.*"name":"f".*"name":"g"/s);
  expect(turns[2]).toEqual({
    role: "assistant",
    content: '<tool_call>\n{"name":"f","arguments":{"a":1}}\n</tool_call>',
  });
  expect(turns[3]!.content).toBe("<tool_response>\n7\n</tool_response>\n<tool_response>\n8\n</tool_response>");
  expect(knowsCalls("{% if tools %}<tool_call>{% endif %}")).toBe(true);
  expect(knowsCalls("{{ messages[0].content }}")).toBe(false);
});
