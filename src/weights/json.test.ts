import { expect, test } from "vitest";
import { parseJson } from "./json.ts";

const parse = (text: string) => parseJson(new TextEncoder().encode(text));

test("numbers that Python writes and JSON does not have are read, outside of texts", () => {
  const text = '{"limit": [0.0, Infinity], "least": -Infinity, "a": NaN, "NaN": "\\"Infinity, NaN", "b": "-Infinity"}';
  expect(parse(text)).toEqual({
    limit: [0, Number.POSITIVE_INFINITY],
    least: Number.NEGATIVE_INFINITY,
    a: null,
    NaN: '"Infinity, NaN',
    b: "-Infinity",
  });
});

test.each(["nan", "[infinity]", '{"a": Infinit}', '{"a": "NaN}', '{"a": aNaN}', "{Infinity: 1}", "{", ""])(
  "%j is no JSON",
  (text) => {
    expect(parse(text)).toBeUndefined();
  },
);

test("a long text in quotes costs no stack and little time", () => {
  expect(parse(`{"a": "${"\\\\x".repeat(2_000_000)}"}`)).toBeDefined();
  expect(parse(`{"a": "${"\\\\x".repeat(2_000_000)}`)).toBeUndefined();
});
