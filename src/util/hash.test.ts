import { expect, test } from "vitest";
import { fnv1a } from "./hash.ts";

test.each([
  ["", 0x811c9dc5],
  ["a", 0xe40c292c],
  ["foobar", 0xbf9cf968],
])("FNV-1a of %j is the one of its authors", (text, expected) => {
  expect(fnv1a(Buffer.from(text))).toBe(expected);
});
