import { expect, test } from "vitest";
import { inputSchema } from "./items.ts";
import { turnsIn } from "./turns.ts";

const call = (id: string) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" });
const result = (id: string) => ({ type: "function_call_output", call_id: id, output: id });
const says = (content: string) => ({ role: "assistant", content });
const chat = (...items: object[]) => turnsIn(inputSchema.parse(items), undefined);
const called = (...ids: string[]) =>
  ids.map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } }));
const toolTurn = (id: string) => ({ role: "tool", content: id, tool_call_id: id });

test("a text is the user's turn after the instructions", () => {
  expect(turnsIn("x", "y")).toEqual({
    messages: [
      { role: "system", content: "y" },
      { role: "user", content: "x" },
    ],
    fields: ["instructions", "input"],
  });
});

test("consecutive text and calls form one assistant turn, and outputs end it", () => {
  const { messages, fields } = chat(says("a"), call("1"), call("2"), result("1"), result("2"), call("3"), result("3"));
  expect(messages).toEqual([
    { role: "assistant", content: "a", tool_calls: called("1", "2") },
    ...[toolTurn("1"), toolTurn("2")],
    { role: "assistant", tool_calls: called("3") },
    toolTurn("3"),
  ]);
  expect(fields).toEqual(["input.0", "input.3", "input.4", "input.5", "input.6"]);
});

test("text between a call and its output joins the call's turn; texts alone remain separate turns", () => {
  expect(chat(call("1"), says("a"), call("2"), says("b")).messages).toEqual([
    { role: "assistant", content: "ab", tool_calls: called("1", "2") },
  ]);
  expect(chat(says("a"), says("b")).messages).toEqual([says("a"), says("b")]);
});

test("reasoning joins the next message or call, by its content or its summary", () => {
  const text = (type: string, text: string) => [{ type, text }];
  const thinks = (more: object) => ({ type: "reasoning", id: "rs_1", summary: [], ...more });
  const first = thinks({ content: text("reasoning_text", "hm") });
  const second = thinks({ summary: text("summary_text", "so") });
  expect(chat(first, call("1"), result("1"), second, says("a"), { role: "user", content: "b" }).messages).toEqual([
    { role: "assistant", content: "", reasoning_content: "hm", tool_calls: called("1") },
    toolTurn("1"),
    { role: "assistant", content: "a", reasoning_content: "so" },
    { role: "user", content: "b" },
  ]);
});
