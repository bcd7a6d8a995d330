import { expect, test } from "vitest";
import { CallReader } from "./reader.ts";

/** The result of reading an answer in pieces of `size` characters. */
function read(answer: string, size: number, begun = false) {
  const reader = new CallReader(begun);
  const pieces = answer.match(new RegExp(`.{1,${size}}`, "gs")) ?? [];
  const all = [...pieces.map((piece) => reader.push(piece, false)), reader.push("", true)];
  return { text: all.map((it) => it.text).join(""), calls: all.flatMap((it) => it.calls) };
}

const call = (name: string, options: object) =>
  `<tool_call>\n${JSON.stringify({ name, arguments: options })}\n</tool_call>`;

test.each([1, 2, 3, 7, 1000])("text and calls are told apart, in pieces of %i", (size) => {
  const answer = `Let me see. 1 < 2 ${call("f", { a: 1 })}\n${call("g", {})}\n`;
  expect(read(answer, size)).toEqual({
    text: "Let me see. 1 < 2 ",
    calls: [
      { name: "f", arguments: '{"a":1}' },
      { name: "g", arguments: "{}" },
    ],
  });
});

test.each([1, 5, 1000])("an answer that begins inside a call needs no end, in pieces of %i", (size) => {
  expect(read('{"name": "f", "arguments": {"x": "</b>"}}', size, true).calls).toEqual([
    { name: "f", arguments: '{"x":"</b>"}' },
  ]);
});

test.each([1, 5, 1000])("an argument may have the words that calls are written between, in pieces of %i", (size) => {
  const options = { a: 'x "</tool_call>" \\ <tool_call>', b: "</tool_call>" };
  const [call1, call2] = [call("f", options), call("g", {})];
  expect(read(`${call1}\n${call2} end`, size)).toEqual({
    text: "end",
    calls: [
      { name: "f", arguments: JSON.stringify(options) },
      { name: "g", arguments: "{}" },
    ],
  });
});

test("a call whose quotes do not match stays text, and takes no other with it", () => {
  const broken = '<tool_call>{"name: 1}</tool_call>';
  expect(read(`${broken} ${call("g", {})}`, 3)).toEqual({
    text: `${broken} `,
    calls: [{ name: "g", arguments: "{}" }],
  });
});

test("what is no call after all stays text", () => {
  expect(read("a <tool_call>b</tool_call> c", 1)).toEqual({ text: "a <tool_call>b</tool_call> c", calls: [] });
  expect(read('<tool_call>{"name": "f", "argu', 4)).toEqual({ text: '<tool_call>{"name": "f", "argu', calls: [] });
  expect(read("a <tool", 3)).toEqual({ text: "a <tool", calls: [] });
});
