import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { entry, type Field, header, memorySource, tensorInfo, writeGguf } from "./gguf.testing.ts";
import { parseGguf } from "./header.ts";
import { GgufStrings } from "./strings.ts";
import { GGML_TYPES } from "./types.ts";

const parse = (bytes: Buffer) => parseGguf(memorySource(bytes));
const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));

test("the table of types is the gguf package's", () => {
  expect(GGML_TYPES).toEqual(JSON.parse(fixture("types.json").toString()));
});

describe("a file written by the gguf package", () => {
  const file = parse(fixture("written.gguf"));
  const expected = JSON.parse(fixture("written.json").toString());

  test("metadata of every type", () => {
    const values = Object.fromEntries([...file.metadata].filter(([key]) => key.startsWith("t.")));
    expect(values).toEqual({
      "t.uint8": 200,
      "t.int8": -100,
      "t.uint16": 60000,
      "t.int16": -30000,
      "t.uint32": 4000000000,
      "t.int32": -2000000000,
      "t.uint64": 2n ** 64n - 1n,
      "t.int64": -(2 ** 40),
      "t.float32": Math.fround(0.1),
      "t.float64": 0.1,
      "t.true": true,
      "t.false": false,
      "t.string": "naïve 漢字 🦙",
      "t.strings": expect.any(GgufStrings),
      "t.int32s": new Int32Array([1, -2, 3]),
      "t.float32s": new Float32Array([0.5, -0.25]),
      "t.bools": [true, false, true],
    });
    expect(file.metadata.strings("t.strings")).toEqual(["", "Ġthe", "🦙", "a\nb"]);
    expect(file.metadata.string("general.architecture")).toBe("llama");
  });

  test("tensors where the package's own reader finds them", () => {
    expect(file).toMatchObject({ path: "test.gguf", version: 3, alignment: 64, dataOffset: expected.dataOffset });
    for (const [name, { floats: _, ...tensor }] of Object.entries<{ floats: string }>(expected.tensors)) {
      expect(file.tensors.get(name)).toEqual({ path: "test.gguf", name, ...tensor });
    }
    expect([...file.tensors.keys()]).toEqual(Object.keys(expected.tensors));
  });
});

test("version 2 has the same layout", () => {
  const file = parse(writeGguf({ version: 2, metadata: { k: ["string", "v"] } }));
  expect(file.version).toBe(2);
  expect(file.metadata.string("k")).toBe("v");
});

test("a file without tensors needs no data section", () => {
  const whole = writeGguf({ metadata: { k: ["bool", true] } });
  const unpadded = whole.subarray(0, 24 + entry("k", ["bool", true]).length);
  expect(parse(unpadded).tensors.size).toBe(0);
});

test("shapes are row-major and a scalar has none", () => {
  const data = new Uint8Array(24);
  const file = parse(
    writeGguf({
      tensors: [
        { name: "matrix", type: "F32", shape: [2, 3], data },
        { name: "scalar", type: "F16", shape: [], data: data.subarray(0, 2) },
      ],
    }),
  );
  expect(file.tensors.get("matrix")).toMatchObject({ shape: [2, 3], bytes: 24, offset: file.dataOffset });
  expect(file.tensors.get("scalar")).toMatchObject({ shape: [], bytes: 2, offset: file.dataOffset + 32 });
});

test("tensors may touch, and lie in another order than their names", () => {
  const infos = [tensorInfo("second", [8], 0, 32), tensorInfo("first", [8], 0, 0)];
  const start = Buffer.concat([header(2, 0), ...infos]);
  const file = parse(Buffer.concat([start, Buffer.alloc(32 - (start.length % 32) + 64)]));
  expect([...file.tensors.values()].map(({ name, offset }) => [name, offset - file.dataOffset])).toEqual([
    ["second", 32],
    ["first", 0],
  ]);
});

test("64-bit integers are numbers exactly as long as a number holds them", () => {
  const most = Number.MAX_SAFE_INTEGER;
  const { metadata } = parse(
    writeGguf({
      metadata: { fits: ["uint64", most], large: ["uint64", BigInt(most) + 1n], low: ["int64", -(2n ** 63n)] },
    }),
  );
  expect(Object.fromEntries(metadata)).toEqual({ fits: most, large: 2n ** 53n, low: -(2n ** 63n) });
});

const numeric = {
  uint8: [Uint8Array, [0, 255]],
  int8: [Int8Array, [-128, 127]],
  uint16: [Uint16Array, [0, 65535]],
  int16: [Int16Array, [-32768, 32767]],
  uint32: [Uint32Array, [0, 4294967295]],
  int32: [Int32Array, [-2147483648, 2147483647]],
  float32: [Float32Array, [0.5, Number.POSITIVE_INFINITY]],
  uint64: [BigUint64Array, [0n, 2n ** 64n - 1n]],
  int64: [BigInt64Array, [-(2n ** 63n), 2n ** 63n - 1n]],
  float64: [Float64Array, [0.1, -1e300]],
} as const;

test.each(Object.entries(numeric))("an array of %s at an odd offset", (item, [TypedArray, values]) => {
  const field = ["array", item, [...values]] as Field;
  const { metadata } = parse(writeGguf({ metadata: { "odd key": ["uint8", 1], array: field } }));
  expect(metadata.get("array")).toBeInstanceOf(TypedArray);
  expect([...(metadata.get("array") as Iterable<number | bigint>)]).toEqual([...values]);
});

test("nested arrays, four deep", () => {
  const inner: Field = ["array", "string", ["x", "y"]];
  const nested: Field = [
    "array",
    "array",
    [inner, ["array", "array", [["array", "array", [["array", "bool", [true]]]]]]],
  ];
  const value = parse(writeGguf({ metadata: { nested } })).metadata.get("nested") as unknown[];
  expect((value[0] as GgufStrings).toArray()).toEqual(["x", "y"]);
  expect(value[1]).toEqual([[[true]]]);
});

test("a header longer than the first read", () => {
  const tokens = Array.from({ length: 5000 }, (_, i) => `${i} 漢字 `.padEnd(1000, "abc"));
  const bytes = writeGguf({
    metadata: { tokens: ["array", "string", tokens], after: ["uint32", 7] },
    tensors: [{ name: "t", type: "F32", shape: [1], data: new Uint8Array(4) }],
  });
  const file = parse(bytes);
  expect(file.dataOffset).toBeGreaterThan(4 * 2 ** 20);
  expect(file.metadata.strings("tokens")).toEqual(tokens);
  expect(file.metadata.integer("after")).toBe(7);
  expect(file.tensors.get("t")?.offset).toBe(bytes.length - 4);
});
