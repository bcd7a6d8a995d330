import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { memorySource, writeGguf } from "./gguf.testing.ts";
import { parseGguf } from "./header.ts";
import type { Metadata } from "./metadata.ts";

const { metadata } = parseGguf(
  memorySource(
    writeGguf({
      metadata: {
        "llama.block_count": ["uint32", 30],
        eps: ["float32", 0.5],
        big: ["uint64", 2n ** 60n],
        name: ["string", "smollm2"],
        bos: ["bool", false],
        tokens: ["array", "string", ["a", "b"]],
        types: ["array", "int32", [1, 3]],
        scores: ["array", "float32", [0.5, -1]],
      },
    }),
  ),
);

test("values", () => {
  expect(metadata.integer("llama.block_count")).toBe(30);
  expect(metadata.number("llama.block_count")).toBe(30);
  expect(metadata.number("eps")).toBe(0.5);
  expect(metadata.string("name")).toBe("smollm2");
  expect(metadata.boolean("bos")).toBe(false);
  expect(metadata.strings("tokens")).toEqual(["a", "b"]);
  expect(metadata.integers("types")).toEqual(new Int32Array([1, 3]));
  expect(metadata.numbers("types")).toEqual(new Int32Array([1, 3]));
  expect(metadata.numbers("scores")).toEqual(new Float32Array([0.5, -1]));
});

test("a fallback stands in for a missing key only", () => {
  expect(metadata.integer("absent", 7)).toBe(7);
  expect(metadata.boolean("absent", true)).toBe(true);
  expect(metadata.boolean("bos", true)).toBe(false);
  expect(metadata.strings("absent", ["x"])).toEqual(["x"]);
  expect(metadata.integers("absent", new Int32Array(1))).toEqual(new Int32Array(1));
  expect(() => metadata.integer("name", 7)).toThrow(UserError);
  expect(() => metadata.strings("name", [])).toThrow(UserError);
});

test.each<[string, (m: Metadata) => unknown, string]>([
  ["integer", (m) => m.integer("eps"), 'metadata "eps" is 0.5, expected an integer'],
  ["a too large integer", (m) => m.integer("big"), `metadata "big" is ${2n ** 60n}, expected an integer`],
  ["number", (m) => m.number("name"), 'metadata "name" is a string, expected a number'],
  ["string", (m) => m.string("bos"), 'metadata "bos" is false, expected a string'],
  ["boolean", (m) => m.boolean("eps"), 'metadata "eps" is 0.5, expected a boolean'],
  ["strings", (m) => m.strings("types"), 'metadata "types" is an array of 2 values, expected an array of strings'],
  ["integers", (m) => m.integers("scores"), 'metadata "scores" is an array of 2 values, expected an array of integers'],
  ["numbers", (m) => m.numbers("tokens"), 'metadata "tokens" is an array of 2 strings, expected an array of numbers'],
  ["missing", (m) => m.string("general.license"), 'metadata "general.license" is missing'],
  [
    "missing by a slip",
    (m) => m.integer("llama.block_cuont"),
    'metadata "llama.block_cuont" is missing; did you mean "llama.block_count"?',
  ],
])("%s: one sentence names the file, the key and what was expected", (_, read, message) => {
  expect(() => read(metadata)).toThrow(new UserError(`test.gguf: ${message}`));
});
