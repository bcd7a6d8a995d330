import { expect, test } from "vitest";
import { HARMONY } from "../../../weights/tokenizer/index.ts";
import { joinedParts, NOTHING, type PartReader, type Parts } from "./answer-form.ts";
import { HarmonyReader, harmonyForm } from "./harmony.ts";

const { start, channel, constrain, message, end, call } = HARMONY;
const MARK = /(<\|\w+\|>)/;

/** Pushes an answer's tokens: special tokens whole, text in pieces of `size` characters. */
function pushed(reader: PartReader, answer: string, size: number): Parts[] {
  const parts: Parts[] = [];
  for (const part of answer.split(MARK))
    if (MARK.test(part)) parts.push(reader.push("", part));
    else for (const text of part.match(new RegExp(`.{1,${size}}`, "gs")) ?? []) parts.push(reader.push(text));
  return [...parts, reader.flush()];
}

const read = (answer: string, size: number, begun?: Parameters<typeof harmonyForm>[0]) =>
  pushed(harmonyForm(begun).reader(), answer, size).reduce(joinedParts, NOTHING);

const analysis = (text: string) => `${channel}analysis${message}${text}${end}${start}assistant`;
const calling = (json: string) => `<tool_call>\n{"name": "f", "arguments": ${json}}\n</tool_call>`;

const answers: [what: string, answer: string, reasoning: string, text: string][] = [
  [
    "reasoning and text",
    `${analysis("Two and two.\n")}${channel}final${message}It is 4.`,
    "Two and two.\n",
    "It is 4.",
  ],
  ["text alone", `${channel}final${message}4`, "", "4"],
  ["a message without a channel", `${message}4`, "", "4"],
  [
    "a call",
    `${analysis("a")}${channel}commentary to=functions.f ${constrain}json${message}{"x": "}"}`,
    "a",
    calling('{"x": "}"}'),
  ],
  ["a recipient before the channel", ` to=functions.f${channel}commentary json${message}{}`, "", calling("{}")],
  ["a call without arguments", `${channel}commentary to=functions.f${constrain}json${message}`, "", calling("{}")],
  ["arguments that are no JSON", `${channel}commentary to=functions.f${message}{"x": `, "", '{"x": '],
  [
    "words before a call",
    `${channel}commentary${message}Let me see.${end}${start}assistant${channel}commentary to=functions.f${message}{}${call}`,
    "",
    `Let me see.${calling("{}")}`,
  ],
  [
    "words before text",
    `${channel}commentary${message}Let me see.${end}${start}assistant${channel}final${message}4`,
    "",
    "Let me see.\n\n4",
  ],
  ["reasoning twice", `${analysis("a")}${analysis("b")}${channel}final${message}4`, "a\n\nb", "4"],
  ["a tool of its makers'", `${channel}analysis to=browser.search${message}{"q": 1}`, '{"q": 1}', ""],
  ["reasoning that is cut", `${channel}analysis${message}Two`, "Two", ""],
  ["a header that is cut", `${analysis("a")}${channel}fin`, "a", ""],
  ["no message at all", `Hello ${channel}there`, "", "Hello there"],
  ["nothing", "", "", ""],
];

test.each(answers)("%s, in pieces of every length", (_, answer, reasoning, text) => {
  for (let size = 1; size <= 30; size++) expect(read(answer, size)).toEqual({ reasoning, text });
});

test("marks that are text are text", () => {
  const reader = new HarmonyReader();
  for (const mark of [channel, message]) reader.push(mark === message ? "final" : "", mark);
  expect(reader.push(`say ${end} or ${channel}analysis${message}`)).toEqual({
    ...NOTHING,
    text: `say ${end} or ${channel}analysis${message}`,
  });
});

test("reasoning and text flow token by token, a call comes whole", () => {
  const flow = (answer: string) =>
    pushed(new HarmonyReader(), answer, 1).map(({ text, reasoning }) => text || reasoning);
  expect(flow(`${channel}final${message}abc`).filter((it) => it !== "")).toEqual(["a", "b", "c"]);
  expect(flow(`${channel}analysis${message}abc`).filter((it) => it !== "")).toEqual(["a", "b", "c"]);
  expect(flow(`${channel}commentary to=functions.f${message}{}`).filter((it) => it !== "")).toEqual([calling("{}")]);
});

test("a call that the prompt begins has its arguments alone, and no first tag", () => {
  expect(read('{"x": 1}', 3, { call: "f" }).text).toBe(calling('{"x": 1}').slice("<tool_call>".length));
  expect(harmonyForm({ call: "f" }).reader().place).toBe("text");
});

test("a text that the prompt begins goes on", () => {
  expect(read(" is 4", 2, "text")).toEqual({ reasoning: "", text: " is 4" });
});

test("places: a format holds the text alone", () => {
  const reader = new HarmonyReader();
  const answer = `${analysis("a")}${channel}commentary${message}b${end}${start}assistant${channel}final${message}c`;
  const places = [reader.place];
  for (const part of answer.split(MARK)) {
    if (MARK.test(part)) reader.push("", part);
    else reader.push(part);
    places.push(reader.place);
  }
  expect(places.filter((place, i) => place !== places[i - 1])).toEqual(["aside", "reasoning", "aside", "text"]);
});

test("a copy of a reader goes on by itself", () => {
  const reader = new HarmonyReader();
  for (const [text, mark] of [
    ["", channel],
    ["final", message],
    ["a", undefined],
  ] as const)
    reader.push(text, mark);
  const copy = reader.fork();
  copy.push("", end);
  expect([copy.place, reader.place, reader.push("b").text]).toEqual(["aside", "text", "b"]);
});
