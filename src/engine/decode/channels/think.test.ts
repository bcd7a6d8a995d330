import { expect, test } from "vitest";
import { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { byteSource } from "../../../weights/tokenizer/tokenizer.testing.ts";
import { joinedParts, NOTHING } from "./answer-form.ts";
import { ThinkReader, thinkForm } from "./think.ts";

type Start = ConstructorParameters<typeof ThinkReader>[0];

/** The parts of an answer that arrives in these pieces. */
function read(pieces: readonly string[], start: Start = "begin") {
  const reader = new ThinkReader(start);
  const parts = [...pieces.map((piece) => reader.push(piece)), reader.flush()];
  return parts.reduce(joinedParts, NOTHING);
}

const answers: [answer: string, start: Start, reasoning: string, text: string][] = [
  ["<think>\nOne, two.\n\nThree. \n</think>\n\nThree.\n", "begin", "One, two.\n\nThree.", "Three.\n"],
  ["\n <think>a</think>b", "begin", "a", "b"],
  ["\nOne.\n</think>\n\nTwo", "reasoning", "One.", "Two"],
  ["<think>\n\n</think>\n\nTwo", "begin", "", "Two"],
  ["a </think> b", "reasoning", "a", "b"],
  ["1 < 2 </thin </think>ok", "reasoning", "1 < 2 </thin", "ok"],
  ["a <think>b</think> c", "begin", "", "a <think>b</think> c"],
  [" <thin", "begin", "", " <thin"],
  [" <thing> ", "begin", "", " <thing> "],
  ["<think>a</think>b <think>c</think>", "begin", "a", "b <think>c</think>"],
  ["<think>cut \n", "begin", "cut", ""],
  ["cut </thi", "reasoning", "cut </thi", ""],
  ["<think>a</think> \n", "begin", "a", ""],
  [" a</think> ", "text", "", " a</think> "],
  ["", "begin", "", ""],
];

test.each(answers)("%j from %s on, in pieces of every length and both halves", (answer, start, reasoning, text) => {
  for (let size = 1; size <= answer.length; size++)
    expect(read(answer.match(new RegExp(`.{1,${size}}`, "gs"))!, start)).toEqual({ reasoning, text });
  for (let at = 0; at <= answer.length; at++)
    expect(read([answer.slice(0, at), answer.slice(at)], start)).toEqual({ reasoning, text });
});

test("reasoning and text flow as they come, but for what may be white space at an end or a tag", () => {
  const reader = new ThinkReader("begin");
  const pushed = ["<think>", "\n", "a", " ", "b <", "c", "\n", "</think>", "\n\n", "d", " "].map((it) =>
    reader.push(it),
  );
  expect(pushed.map(({ reasoning }) => reasoning)).toEqual(["", "", "a", "", " b", " <c", "", "", "", "", ""]);
  expect(pushed.map(({ text }) => text)).toEqual(["", "", "", "", "", "", "", "", "", "d", " "]);
});

const tokenizer = new Tokenizer(byteSource(["<think>"]));
const placeOf = (prompt: string, begun = "") => thinkForm(tokenizer, prompt, begun).reader().place;

test.each([
  ["assistant\n", "", "begin"],
  ["assistant\n<think>\n", "", "reasoning"],
  ["assistant\n<think>\n\n</think>\n\n", "", "begin"],
  ["<think>", "<think>a", "reasoning"],
  ["<think>", "a</think>b", "text"],
  ["", "The answer", "text"],
])("after the prompt %j, begun with %j, the answer is at its %s", (prompt, begun, place) => {
  expect(placeOf(prompt, begun)).toBe(place);
});

test("a copy of a reader goes on by itself", () => {
  const reader = new ThinkReader("begin");
  reader.push("<think>a </th");
  const copy = reader.fork();
  expect(copy.push("ink>b")).toEqual({ reasoning: "", text: "b" });
  expect([reader.place, reader.push("e")]).toEqual(["reasoning", { reasoning: " </the", text: "" }]);
});
