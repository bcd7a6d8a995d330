import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { memorySource, writeGguf } from "./gguf.testing.ts";
import { parseGguf } from "./header.ts";
import { GgufStrings } from "./strings.ts";

function roundTrip(strings: string[]): GgufStrings {
  const { metadata } = parseGguf(memorySource(writeGguf({ metadata: { s: ["array", "string", strings] } })));
  return metadata.get("s") as GgufStrings;
}

test.each([
  ["none", []],
  ["empty ones", ["", "", ""]],
  ["every width of UTF-8", ["a", "é", "漢", "🦙", "a é 漢 🦙 Ġ"]],
  ["a byte order mark and NUL", ["\ufeffx", "\0", "y"]],
])("%s", (_, strings) => {
  expect(roundTrip(strings).length).toBe(strings.length);
  expect(roundTrip(strings).toArray()).toEqual(strings);
});

test("decoded once", () => {
  const strings = roundTrip(["a"]);
  expect(strings.toArray()).toBe(strings.toArray());
});

test("halves of a character in two strings do not join", () => {
  const [first, second] = [Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1)];
  const bytes = Buffer.concat([first, Buffer.alloc(8), second]);
  expect(new GgufStrings(bytes, new Uint32Array([0, 9, 18])).toArray()).toEqual(["\ufffd", "\ufffd"]);
});
