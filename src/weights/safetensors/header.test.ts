import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { parseHeader } from "./header.ts";
import { memoryFile, withHeader, writeSafetensors } from "./safetensors.testing.ts";

const parse = (bytes: Buffer) => parseHeader(memoryFile(bytes));

test("tensors by name, in the order of their data, wherever the header has them", () => {
  const header = {
    b: { dtype: "F16", shape: [3], data_offsets: [8, 14] },
    __metadata__: { format: "pt" },
    a: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
    none: { dtype: "I64", shape: [0, 9], data_offsets: [8, 8] },
    scalar: { dtype: "BOOL", shape: [], data_offsets: [14, 15] },
  };
  const text = JSON.stringify(header);
  const tensors = parse(withHeader(text, 15));
  expect([...tensors.keys()]).toEqual(["a", "none", "b", "scalar"]);
  const file = "test.safetensors";
  expect(tensors.get("b")).toEqual({ name: "b", type: "F16", shape: [3], file, offset: 8 + text.length + 8, bytes: 6 });
  expect(tensors.get("none")!.bytes).toBe(0);
  expect(parse(withHeader("{}", 0)).size).toBe(0);
});

const entry = (value: string) => `{"x":${value}}`;
const placed = (begin: number, end: number, dtype = "U8", shape = [end - begin]) =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
const shaped = (shape: string, bytes = 4) => entry(`{"dtype":"F32","shape":${shape},"data_offsets":[0,${bytes}]}`);

test.each<[string, Buffer, string | RegExp]>([
  ["an empty file", Buffer.alloc(0), "a safetensors file has at least 8 bytes, got 0"],
  ["a header past the end", withHeader("{}", 0, 3), "the header claims 3 bytes, but the file has 10 in all"],
  [
    "a header of 100 MB and one",
    withHeader("{}", 0, 100_000_001),
    "the header claims 100000001 bytes; the limit is 100000000",
  ],
  [
    "a length of 2^64 − 1",
    withHeader("{}", 0, 2n ** 64n - 1n),
    "the header claims 18446744073709552000 bytes; the limit is 100000000",
  ],
  ["no JSON", withHeader('{"a":}', 0), 'the header is malformed at character 5: expected "{", got "}"'],
  ["half of JSON", withHeader('{"a":{', 0), "the header is malformed at character 6: expected a text, got its end"],
  ["a list", withHeader("[]", 0), 'the header is malformed at character 0: expected "{", got "[]"'],
  [
    "a space before the object",
    withHeader(" {}", 0),
    'the header is malformed at character 0: expected "{", got " {}"',
  ],
  ["no header", withHeader("", 0), 'the header is malformed at character 0: expected "{", got its end'],
  ["no UTF-8", withHeader(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x30, 0x7d), 0), "the header is not UTF-8"],
  [
    "depth without end",
    withHeader(`{"a":${"[".repeat(1e6)}`, 0),
    'the header is malformed at character 5: expected "{", got "[[[[[[[[[[[["',
  ],
  ["a tensor twice", withHeader(`{"x":${placed(0, 1)},"x":${placed(1, 2)}}`, 2), 'the header has the key "x" twice'],
  [
    "a tensor twice, once escaped",
    withHeader(`{"x":${placed(0, 1)},"\\u0078" : ${placed(1, 2)}}`, 2),
    'the header has the key "x" twice',
  ],
  [
    "a field twice",
    withHeader(entry('{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,1]}'), 1),
    'the header has the key "dtype" twice',
  ],
  [
    "metadata that is no map",
    withHeader('{"__metadata__":[]}', 0),
    'the header is malformed at character 16: expected "{", got "[]}"',
  ],
  [
    "metadata of numbers",
    withHeader('{"__metadata__":{"a":1}}', 0),
    'the header is malformed at character 21: expected a text, got "1}}"',
  ],
  [
    "an entry that is no object",
    withHeader(entry("null"), 0),
    'the header is malformed at character 5: expected "{", got "null}"',
  ],
  [
    "no dtype",
    withHeader(entry('{"shape":[],"data_offsets":[0,1]}'), 1),
    /^tensor "x" has the dtype missing, expected one of BOOL, U8, .*F64$/,
  ],
  ["an unknown dtype", withHeader(entry(placed(0, 1, "F7")), 1), /^tensor "x" has the dtype "F7", expected one of/],
  [
    "a dtype of the prototype",
    withHeader(entry(placed(0, 1, "constructor")), 1),
    /^tensor "x" has the dtype "constructor"/,
  ],
  [
    "an unknown field",
    withHeader(entry('{"dtype":"U8","strides":[1]}'), 0),
    'the header is malformed at character 29: expected the value of dtype, shape or data_offsets, got "[1]}}"',
  ],
  [
    "a shape without end",
    withHeader(shaped(`[${"1,".repeat(1e6)}1]`), 4),
    /^the header is malformed at character 157: expected a list of at most 64 numbers, got "1,1,/,
  ],
  [
    "something after the object",
    withHeader("{} {}", 0),
    'the header is malformed at character 3: expected nothing more, got "{}"',
  ],
  ["a negative size", withHeader(shaped("[-1]"), 4), 'tensor "x" has the shape [-1], expected whole numbers'],
  ["half a size", withHeader(shaped("[0.5]"), 4), 'tensor "x" has the shape [0.5], expected whole numbers'],
  [
    "a size beyond numbers",
    withHeader(shaped("[1e400]"), 4),
    'tensor "x" has the shape [Infinity], expected whole numbers',
  ],
  [
    "a shape that is a text",
    withHeader(shaped('"4"'), 4),
    'the header is malformed at character 28: expected "[", got "\\"4\\",\\"data_of"',
  ],
  [
    "a product that overflows",
    withHeader(shaped("[4294967296,4294967296]"), 4),
    'tensor "x" has the shape [4294967296, 4294967296], whose product overflows',
  ],
  [
    "an overflow times zero",
    withHeader(shaped("[4294967296,4294967296,0]", 0), 0),
    'tensor "x" has the shape [4294967296, 4294967296, 0], whose product overflows',
  ],
  [
    "bytes that overflow",
    withHeader(shaped("[9007199254740991]"), 4),
    'tensor "x" has the shape [9007199254740991], whose product overflows',
  ],
  [
    "more weights than bytes",
    withHeader(shaped("[2]"), 4),
    'tensor "x" of shape [2] and dtype F32 takes 8 bytes, its data_offsets 4',
  ],
  [
    "fewer weights than bytes",
    withHeader(shaped("[]", 8), 8),
    'tensor "x" of shape [] and dtype F32 takes 4 bytes, its data_offsets 8',
  ],
  [
    "one offset",
    withHeader(entry('{"dtype":"U8","shape":[1],"data_offsets":[1]}'), 1),
    'tensor "x" has the data_offsets [1], expected two whole numbers in order',
  ],
  [
    "offsets the wrong way round",
    withHeader(entry('{"dtype":"U8","shape":[1],"data_offsets":[1,0]}'), 1),
    'tensor "x" has the data_offsets [1, 0], expected two whole numbers in order',
  ],
  ["overlapping tensors", withHeader(`{"x":${placed(0, 3)},"y":${placed(2, 4)}}`, 4), 'tensor "y" overlaps tensor "x"'],
  [
    "the same bytes for two",
    withHeader(`{"x":${placed(0, 3)},"y":${placed(0, 3)}}`, 3),
    'tensor "y" overlaps tensor "x"',
  ],
  [
    "a hole",
    withHeader(`{"x":${placed(0, 3)},"y":${placed(4, 5)}}`, 5),
    'tensor "y" leaves a gap of 1 bytes before it',
  ],
  ["a hole at the start", withHeader(entry(placed(1, 2)), 2), 'tensor "x" leaves a gap of 1 bytes before it'],
  [
    "a file that was cut off",
    withHeader(entry(placed(0, 9)), 8),
    'tensor "x" ends at byte 70, but the file ends at 69',
  ],
  ["bytes after the last tensor", withHeader(entry(placed(0, 1)), 3), "2 unused bytes follow the last tensor"],
  [
    "a name without end",
    withHeader(`{"${"n".repeat(1e5)}":${placed(0, 1, "F7")}}`, 1),
    /^tensor "n{70,90}…" has the dtype "F7", expected/,
  ],
])("%s: one sentence", (_, bytes, sentence) => {
  let message = "";
  try {
    parse(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    message = (error as Error).message;
  }
  expect(message.startsWith("test.safetensors: ")).toBe(true);
  const rest = message.slice("test.safetensors: ".length);
  if (typeof sentence === "string") expect(rest).toBe(sentence);
  else expect(rest).toMatch(sentence);
});

test("what the tests' writer writes is sound", () => {
  const tensors = parse(
    writeSafetensors({ a: { dtype: "F32", shape: [2] }, b: { dtype: "I8", shape: [3] } }, { k: "v" }),
  );
  expect([...tensors.values()].map((t) => t.bytes)).toEqual([8, 3]);
});
