import { expect, test } from "vitest";
import { decimals, printable } from "./printable.ts";

test.each([
  ["a\x1b[31mred\x1b[0m", "a\\u001b[31mred\\u001b[0m"],
  ["one\ntwo\r\tthree\x7f\x9b", "one\\u000atwo\\u000d\\u0009three\\u007f\\u009b"],
  ["\u202egnp.exe\u2028", "\\u202egnp.exe\\u2028"],
  ["smollm2@fast 字 🤗", "smollm2@fast 字 🤗"],
])("%j is shown as %s", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("a number that rounds to zero has no sign", () => {
  expect([-0.00001, -0.0001, -10, -0].map((value) => decimals(value, 4))).toEqual([
    "0.0000",
    "-0.0001",
    "-10.0000",
    "0.0000",
  ]);
});
