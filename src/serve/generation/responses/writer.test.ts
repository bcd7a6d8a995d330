import { expect, test } from "vitest";
import { limitOptions } from "../../limits.ts";
import type { Logprobs } from "./output.ts";
import { pieceOf } from "./pieces.ts";
import { responsesInput } from "./request.ts";
import { ResponseWriter } from "./writer.ts";

const input = responsesInput(limitOptions.parse({})).parse({ model: "m", input: "x" });

/** A chat's chunk. */
const chunk = (delta: object, more: object = {}) => pieceOf({ choices: [{ delta, ...more }] });
const call = (index: number, more: object) => ({ tool_calls: [{ index, ...more }] });
const logprob = (token: string): Logprobs => [{ token, logprob: -1, bytes: [], top_logprobs: [] }];

function written(...chunks: ReturnType<typeof chunk>[]) {
  const response = new ResponseWriter(input);
  return [...response.begin(), ...chunks.flatMap((piece) => [...response.add(piece)]), ...response.end()];
}
const last = (events: ReturnType<typeof written>) => events.at(-1) as { response: { output: object[] } };

test("interleaved parts of calls form one item per call", () => {
  const events = written(
    chunk({ role: "assistant", content: null, tool_calls: null }),
    chunk(call(0, { id: "call_a", function: { name: "f", arguments: "" } })),
    chunk(call(0, { function: { arguments: '{"a"' } })),
    chunk(call(0, { function: { arguments: ":1}" } })),
    chunk(call(1, { id: "call_b", function: { name: "g", arguments: "{}" } })),
    chunk({}, { finish_reason: "tool_calls" }),
  );
  const base = { type: "function_call", status: "completed" };
  expect(last(events).response.output).toMatchObject([
    { ...base, call_id: "call_a", name: "f", arguments: '{"a":1}' },
    { ...base, call_id: "call_b", name: "g", arguments: "{}" },
  ]);
  const arguments_ = events.filter(({ type }) => type === "response.function_call_arguments.delta");
  expect(arguments_).toMatchObject([
    { output_index: 0, delta: '{"a"' },
    { output_index: 0, delta: ":1}" },
    { output_index: 1, delta: "{}" },
  ]);
});

test("text around a call forms messages, white space alone does not", () => {
  const f = { function: { name: "f", arguments: "{}" } };
  const types = (...chunks: ReturnType<typeof chunk>[]) =>
    last(written(...chunks)).response.output.map((item) => (item as { type: string }).type);
  expect(types(chunk({ content: "\n" }), chunk(call(0, f)))).toEqual(["function_call"]);
  expect(types(chunk({ content: "\n" }), chunk({ content: "a" }), chunk(call(0, f)), chunk({ content: "b" }))).toEqual([
    "message",
    "function_call",
    "message",
  ]);
  expect(types(chunk({ content: "" }))).toEqual(["message"]);
});

test("log-probabilities of a character's first tokens come with its text", () => {
  const of = (content: string, token: string) => chunk({ content }, { logprobs: { content: logprob(token) } });
  const events = written(of("", "x"), of("é", "y"), of("", "z"));
  const deltas = events.filter(({ type }) => type === "response.output_text.delta");
  expect(deltas).toMatchObject([
    { delta: "é", logprobs: [{ token: "x" }, { token: "y" }] },
    { delta: "", logprobs: [{ token: "z" }] },
  ]);
});

test.each([
  ["stop", "completed", null],
  ["tool_calls", "completed", null],
  ["length", "incomplete", { reason: "max_output_tokens" }],
  ["repetition", "incomplete", { reason: "repetition" }],
  ["content_filter", "incomplete", { reason: "content_filter" }],
])("an answer that ends by %s is %s", (finish_reason, status, incomplete_details) => {
  const events = written(chunk({ content: "a" }, { finish_reason }));
  expect(events.at(-1)).toMatchObject({ type: `response.${status}`, response: { status, incomplete_details } });
});
