import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { entry, type Field, header, memorySource, tensorInfo, text, u32, u64, writeGguf } from "./gguf.testing.ts";
import { parseGguf } from "./header.ts";
import { VALUE_TYPES } from "./values.ts";

function messageOf(bytes: Buffer): string {
  try {
    parseGguf(memorySource(bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  return "no error";
}

const typeId = (name: (typeof VALUE_TYPES)[number]) => u32(VALUE_TYPES.indexOf(name));
const HUGE = 2 ** 60;

/** A file with one tensor per info, and `data` bytes of data. */
function withTensors(infos: Buffer[], data = 64): Buffer {
  const start = Buffer.concat([header(infos.length, 0), ...infos]);
  return Buffer.concat([start, Buffer.alloc(Math.ceil(start.length / 32) * 32 - start.length + data)]);
}

/** A file with one metadata entry, `k`, and these bytes after the key. */
function withValue(...value: Buffer[]): Buffer {
  return Buffer.concat([header(0, 1), text("k"), ...value]);
}

function nested(depth: number): Field {
  return depth === 1 ? ["array", "uint8", [1]] : ["array", "array", [nested(depth - 1)]];
}

const twoKeys = Buffer.concat([header(0, 2), entry("k", ["uint8", 1]), entry("k", ["uint8", 2])]);
const F32 = 0;
const Q4_1 = 3;

describe("one sentence for each", () => {
  test.each<[string, Buffer, string]>([
    ["an empty file", Buffer.alloc(0), 'this is not a GGUF file: it begins with "", expected "GGUF"'],
    ["no GGUF", Buffer.from("PK\x03\x04zip"), String.raw`it begins with "PK\u0003\u0004", expected "GGUF"`],
    [
      "big-endian",
      Buffer.from("GGUF\0\0\0\x03"),
      "the header is big-endian; only little-endian GGUF files are supported",
    ],
    ["version 1", header(0, 0, 1), "the header says GGUF version 1, expected 2 or 3"],
    ["version 4", header(0, 0, 4), "the header says GGUF version 4, expected 2 or 3"],
    ["version 0", header(0, 0, 0), "the header says GGUF version 0, expected 2 or 3"],
    ["2^60 tensors", header(HUGE, 0), `the header claims ${HUGE} tensors, but only 8 bytes are left for them`],
    ["2^64 − 1 keys", header(0, 2n ** 64n - 1n), "the header claims 18446744073709552000 metadata entries, but only 0"],
    [
      "more keys than any model",
      Buffer.concat([header(0, 2 ** 21), Buffer.alloc(13 * 2 ** 21)]),
      "the header claims 2097152 metadata entries; the limit is 1048576",
    ],
    [
      "a key past the end",
      Buffer.concat([header(0, 1), u64(HUGE), u64(0)]),
      `metadata entry 0 claims ${HUGE} bytes of`,
    ],
    [
      "a key of a megabyte",
      Buffer.concat([header(0, 1), u64(2 ** 20), Buffer.alloc(2 ** 20)]),
      "metadata entry 0 claims 1048576 bytes of name; the limit is 65535",
    ],
    ["a string past the end", withValue(typeId("string"), u64(HUGE)), `metadata "k" claims ${HUGE} bytes of text`],
    ["an unknown metadata type", withValue(u32(13), u64(0)), 'metadata "k" has the unknown type 13, expected 0 to 12'],
    [
      "a boolean of 2",
      withValue(typeId("bool"), Buffer.from([2])),
      'metadata "k" holds the boolean 2, expected 0 or 1',
    ],
    [
      "an array of 2^60 numbers",
      withValue(typeId("array"), typeId("float64"), u64(HUGE)),
      `metadata "k" claims ${HUGE} numbers, but only 0 bytes are left for them`,
    ],
    [
      "an array of 2^60 strings",
      withValue(typeId("array"), typeId("string"), u64(HUGE)),
      `metadata "k" claims ${HUGE} strings, but only 0 bytes are left for them`,
    ],
    [
      "a string of an array past the end",
      withValue(typeId("array"), typeId("string"), u64(2), text("a"), u64(HUGE)),
      `metadata "k" claims ${HUGE} bytes of text, but only 0 bytes are left for them`,
    ],
    [
      "booleans that would swell",
      withValue(typeId("array"), typeId("bool"), u64(2 ** 21), Buffer.alloc(2 ** 21)),
      'metadata "k" claims 2097152 booleans; the limit is 1048576',
    ],
    [
      "inner arrays that would swell",
      withValue(typeId("array"), typeId("array"), u64(2 ** 21), Buffer.alloc(12 * 2 ** 21)),
      'metadata "k" claims 2097152 arrays; the limit is 1048576',
    ],
    [
      "an unknown item type",
      withValue(typeId("array"), u32(99), u64(0)),
      'metadata "k" has the unknown type 99, expected 0 to 12',
    ],
    ["arrays nested too deep", writeGguf({ metadata: { k: nested(5) } }), 'metadata "k" nests arrays deeper than 4'],
    ["a key twice", twoKeys, 'metadata "k" appears twice'],
    [
      "an alignment of 24",
      writeGguf({ metadata: { "general.alignment": ["uint32", 24] } }),
      'metadata "general.alignment" is 24, expected a power of two',
    ],
    [
      "an alignment of 0",
      writeGguf({ metadata: { "general.alignment": ["uint32", 0] } }),
      'metadata "general.alignment" is 0, expected a power of two',
    ],
    [
      "an alignment in words",
      writeGguf({ metadata: { "general.alignment": ["string", "32"] } }),
      'metadata "general.alignment" is a string, expected an integer',
    ],
    ["an unknown tensor type", withTensors([tensorInfo("t", [1], 77, 0)]), 'tensor "t" has the unknown type 77'],
    ["a removed tensor type", withTensors([tensorInfo("t", [32], 4, 0)]), 'tensor "t" has the unknown type 4'],
    [
      "a dimension of zero",
      withTensors([tensorInfo("t", [2, 0], F32, 0)]),
      'tensor "t" has the shape [2,0], expected dimensions of at least 1',
    ],
    [
      "a negative dimension",
      withTensors([tensorInfo("t", [-1, 2], F32, 0)]),
      'tensor "t" has the shape [-1,2], expected dimensions of at least 1',
    ],
    [
      "dimensions whose product overflows",
      withTensors([tensorInfo("t", [2 ** 32, 2 ** 32], F32, 0)]),
      'tensor "t" has the shape [4294967296,4294967296], whose product overflows',
    ],
    [
      "dimensions whose product wraps to a small number in 64 bits",
      withTensors([tensorInfo("t", [2 ** 32, 2 ** 32 + 1, 1], F32, 0)]),
      'tensor "t" has the shape [4294967296,4294967297,1], whose product overflows',
    ],
    [
      "5 dimensions",
      withTensors([tensorInfo("t", [1, 1, 1, 1, 1], F32, 0)]),
      'tensor "t" has 5 dimensions, expected at most 4',
    ],
    [
      "rows that are no whole blocks",
      withTensors([tensorInfo("t", [32, 33], Q4_1, 0)]),
      'tensor "t" has rows of 33 weights, which are not whole Q4_1 blocks of 32',
    ],
    [
      "a tensor longer than the file",
      withTensors([tensorInfo("t", [17], F32, 0)]),
      'tensor "t" takes bytes 64 to 132, but the file ends at 128',
    ],
    ["an offset outside", withTensors([tensorInfo("t", [1], F32, HUGE)]), `tensor "t" takes bytes ${HUGE + 64} to`],
    [
      "an offset off the alignment",
      withTensors([tensorInfo("t", [1], F32, 8)]),
      'tensor "t" begins 8 bytes into the data, which is not a multiple of the alignment 32',
    ],
    [
      "overlapping tensors",
      withTensors([tensorInfo("b", [1], F32, 32), tensorInfo("a", [16], F32, 0)]),
      'tensor "b" overlaps tensor "a" at byte 128',
    ],
    [
      "a tensor twice",
      withTensors([tensorInfo("t", [1], F32, 0), tensorInfo("t", [1], F32, 32)]),
      'tensor "t" appears twice',
    ],
    [
      "a name of 100 letters and a line break, cut and escaped",
      withTensors([tensorInfo(`\n${"x".repeat(100)}`, [0], F32, 0)]),
      String.raw`tensor "\n${"x".repeat(77)}…" has the shape [0]`,
    ],
  ])("%s", (_, bytes, message) => {
    expect(messageOf(bytes)).toContain(message);
    expect(messageOf(bytes)).toMatch(/^test\.gguf: .*$/);
  });
});

test("a file cut off anywhere", () => {
  const bytes = writeGguf({
    metadata: { s: ["string", "text"], a: ["array", "string", ["x", "yz"]], n: nested(3), f: ["float64", 1] },
    tensors: [
      { name: "a", type: "F32", shape: [2, 2], data: new Uint8Array(16) },
      { name: "b", type: "Q8_0", shape: [1, 32], data: new Uint8Array(34) },
    ],
  });
  expect(messageOf(bytes)).toBe("no error");
  for (let end = 0; end < bytes.length; end++) {
    expect(messageOf(bytes.subarray(0, end))).toMatch(/not a GGUF file|the file ends at|bytes are left for them/);
  }
});

/** Parses a file that starts like this and claims to hold a terabyte; returns the error and the longest read. */
function parseEndless(start: Buffer): { message: string; longest: number } {
  let longest = 0;
  const read = (offset: number, length: number) => {
    longest = Math.max(longest, length);
    const bytes = Buffer.alloc(length);
    start.copy(bytes, 0, offset);
    return bytes;
  };
  try {
    parseGguf({ path: "test.gguf", size: 2 ** 40, read });
  } catch (error) {
    return { message: (error as UserError).message, longest };
  }
  return { message: "no error", longest };
}

describe("a header that runs on through a huge file is given up", () => {
  const most = 128 * 2 ** 20;

  test("before a claim is read", () => {
    const { message, longest } = parseEndless(withValue(typeId("string"), u64(2 ** 36)));
    expect(message).toMatch(/metadata "k" claims 68719476736 bytes of text, but only \d+ bytes are left for them/);
    expect(longest).toBeLessThanOrEqual(4 * 2 ** 20);
  });

  test("when its parts add up", () => {
    const start = Buffer.concat([header(0, 2), text("k"), typeId("array"), typeId("uint8")]);
    const { message, longest } = parseEndless(Buffer.concat([start, u64(most - start.length - 8 - 4)]));
    expect(message).toBe(`test.gguf: metadata entry 1 is beyond byte ${most}, the limit for headers`);
    expect(longest).toBeLessThanOrEqual(most);
  });
});
