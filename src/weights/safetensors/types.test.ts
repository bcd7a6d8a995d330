import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { withFile } from "../read-file.ts";
import { dtypes } from "./dtypes.ts";
import { parseHeader } from "./header.ts";
import { readFloats } from "./read.ts";
import { memoryFile, writeSafetensors } from "./safetensors.testing.ts";

/** Results of the safetensors package and torch: tools/reference/safetensors_types.py. */
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const expected = JSON.parse(readFileSync(fixture("types.json"), "utf8")) as Record<
  string,
  { shape: number[]; floats: string }
>;
const tensors = withFile(fixture("types.safetensors"), parseHeader);

const floatsOf = (base64: string) => new Float32Array(new Uint8Array(Buffer.from(base64, "base64")).buffer);
/** Equality in which all NaNs are equal, and zeros differ by sign. */
const same = (a: number, b: number) => Object.is(a, b);

test("the file has the fixture's tensors", () => {
  expect([...tensors.keys()].toSorted()).toEqual(Object.keys(expected).toSorted());
  const covered = new Set([...tensors.values()].map((t) => t.type));
  expect(dtypes.filter((d) => !covered.has(d))).toEqual(["F8_E5M2", "U16", "I16", "U32", "U64"]);
});

test.each(Object.entries(expected))("%s as float32 equals torch's, value by value", (name, { shape, floats }) => {
  const tensor = tensors.get(name)!;
  expect(tensor.shape).toEqual(shape);
  const [ours, theirs] = [readFloats(tensor), floatsOf(floats)];
  expect(ours.length).toBe(theirs.length);
  expect(theirs.findIndex((v, i) => !same(ours[i]!, v))).toBe(-1);
});

test("rows of a tensor are a slice of the whole", () => {
  for (const name of ["f64", "bf16", "f8_e4m3", "i8"]) {
    const tensor = tensors.get(name)!;
    const width = tensor.shape[1]!;
    expect(readFloats(tensor, [1, 3])).toEqual(readFloats(tensor).slice(width, 3 * width));
  }
});

test("a dtype that holds no weights is one sentence, and only when it is read", () => {
  const odd = parseHeader(memoryFile(writeSafetensors({ odd: { dtype: "U64", shape: [1] } }))).get("odd")!;
  expect(() => readFloats(odd)).toThrow('test.safetensors: tensor "odd" is of dtype U64, which is not supported');
});
