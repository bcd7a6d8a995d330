import { expect, test } from "vitest";
import { countsOf, termsOf } from "./analysis.ts";

test.each([
  ["The wings were flying, and flew.", ["wing", "were", "fly", "flew"]],
  ["Café naïve ÉCLAIR", ["cafe", "naiv", "eclair"]],
  ["the pilot's don't “o’clock”", ["pilot", "dont", "oclock"]],
  ["B-52s in 1958; x² ﬁne", ["b", "52", "1958", "x2", "fine"]],
  ["東京 tower", ["東", "京", "tower"]],
  ["प्रिय", ["प्रिय"]],
  ["the of and", []],
  ["", []],
])("%s", (text, terms) => {
  expect(termsOf(text).map((term) => term.normalize("NFC"))).toEqual(terms.map((term) => term.normalize("NFC")));
});

test("a word is one term, whatever its spelling", () => {
  expect(termsOf("RUNNING running Running")).toEqual(["run", "run", "run"]);
  expect(termsOf("ﬂow")).toEqual(termsOf("flow"));
});

test("very long words are cut, and counted", () => {
  expect(termsOf("x".repeat(1000))[0]!.length).toBeLessThanOrEqual(64);
  expect(countsOf(["a", "b", "a"])).toEqual(
    new Map([
      ["a", 2],
      ["b", 1],
    ]),
  );
});
