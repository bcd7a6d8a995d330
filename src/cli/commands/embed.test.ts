import { expect, test } from "vitest";
import { notEmpty } from "./embed.ts";

test("an empty text is refused with its position, as over HTTP", () => {
  expect(notEmpty(["a", " "])).toEqual(["a", " "]);
  expect(() => notEmpty([""])).toThrow("text 1 of 1 is empty; expected at least one character");
  expect(() => notEmpty(["a", "b", ""])).toThrow("text 3 of 3 is empty");
});
