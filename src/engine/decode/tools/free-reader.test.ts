import { describe, expect, test } from "vitest";
import { FreeReader } from "./answer-reader.ts";
import type { Tool } from "./tools.ts";

const toolOf = (name: string, parameters?: Record<string, unknown>): Tool => ({
  type: "function",
  function: { name, ...(parameters && { parameters }) },
});
const tools = [
  toolOf("get_weather", {
    properties: { city: { type: "string" }, place: { $ref: "#/$defs/place" }, unit: { enum: ["c", "f"] } },
    required: ["city"],
    $defs: { place: { type: "object", properties: { lat: { type: "number" }, lon: { type: "number" } } } },
  }),
  toolOf("get_time"),
  toolOf("sort", { properties: { all: { type: "array", items: { anyOf: [{ type: "integer" }, { type: "null" }] } } } }),
];

/** The result of reading each piece of an answer, and its end. */
function read(answer: string, size = 1) {
  const reader = new FreeReader(tools);
  const pieces = answer.match(new RegExp(`.{1,${size}}`, "gsu")) ?? [];
  const all = [...pieces.map((piece) => reader.push(piece, false)), reader.push("", true)];
  return { text: all.map((it) => it.text).join(""), calls: all.flatMap((it) => it.calls) };
}

const calls = (name: string, args: object) => ({ text: "", calls: [{ name, arguments: JSON.stringify(args) }] });

describe("an answer that is one call as a whole is that call", () => {
  const paris = { city: "Paris", unit: "c" };
  const bare = JSON.stringify({ name: "get_weather", arguments: paris });
  const wide = JSON.stringify({ name: "get_weather", arguments: paris }, null, 2);
  test.each([
    bare,
    wide,
    ` \n${bare}\n`,
    `\`\`\`json\n${wide}\n\`\`\``,
    `\`\`\`\n${bare}\n\`\`\`\n`,
    `\`\`\`JSON ${bare}\`\`\``,
    JSON.stringify({ arguments: paris, name: "get_weather" }),
  ])("%j", (answer) => {
    for (const size of [1, 3, 1000]) expect(read(answer, size)).toEqual(calls("get_weather", paris));
  });

  test.each<[string, object]>([
    ["get_time", {}],
    ["get_weather", { unit: "f", city: 'Zürich "Süd" ```' }],
    ["get_weather", { place: { lon: 1.5, lat: 2 }, city: "🌍" }],
    ["sort", { all: [3, null, 1] }],
  ])("%s of %j: properties may come in any order", (name, properties) => {
    expect(read(JSON.stringify({ name, arguments: properties }))).toEqual(calls(name, properties));
  });
});

describe("other answers are text, to the last character", () => {
  const callOf = (it: unknown, name = "get_weather") => JSON.stringify({ name, arguments: it });
  test.each([
    ["another function", callOf({}, "get_whether")],
    ["an argument that lacks", callOf({ unit: "c" })],
    ["an argument by no schema", callOf({ city: 7 })],
    ["an argument that there is not", callOf({ city: "Paris", days: 3 })],
    ["an argument of a function that has none", callOf({ a: 1 }, "get_time")],
    ["no arguments", '{"name":"get_time"}'],
    ["words after it", `${callOf({ city: "Paris" })}\n\nThis tells the weather.`],
    ["words before it", `Sure: ${callOf({ city: "Paris" })}`],
    ["two of them", `${callOf({ city: "Paris" })}\n${callOf({}, "get_time")}`],
    ["a list", `[${callOf({ city: "Paris" })}]`],
    ["its beginning", callOf({ city: "Paris" }).slice(0, -1)],
    ["a fence without end", `\`\`\`json\n${callOf({ city: "Paris" })}`],
    ["other JSON", '{"title": "x", "name": "get_time"}'],
    ["code", "```python\nprint(1)\n```"],
    ["nothing", ""],
    ["white space", " \n"],
  ])("%s", (_, answer) => {
    for (const size of [1, 4, 1000]) expect(read(answer, size)).toEqual({ text: answer, calls: [] });
  });
});

test.each([
  ["Paris is warm", 1],
  ["{a}", 2],
  ['{"name": "get_wind"', '{"name": "get_wi'.length],
  ["```json\n[1]", "```json\n[".length],
])("of %j the text flows from the character on that makes it no call", (answer, held) => {
  const reader = new FreeReader(tools);
  const texts = [...answer].map((letter) => reader.push(letter, false).text);
  expect(texts.findIndex((text) => text !== "") + 1).toBe(held);
  expect(texts[held - 1]).toBe(answer.slice(0, held));
});

test("calls in their own form are read as ever", () => {
  const call = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>';
  expect(read(`Let me see. ${call}`)).toEqual({ text: "Let me see. ", calls: [{ name: "get_time", arguments: "{}" }] });
  expect(read(call)).toEqual({ text: "", calls: [{ name: "get_time", arguments: "{}" }] });
});
