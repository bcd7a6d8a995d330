import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { withFile } from "../read-file.ts";
import { parseHeader } from "./header.ts";
import { readFloats } from "./read.ts";
import { writeTensors } from "./write.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-write-"));
afterAll(() => rmSync(folder, { recursive: true }));

const tensors = new Map([
  [
    "ä.weight",
    { shape: [2, 3], values: () => Float32Array.of(1, -0, Number.NaN, 1e-45, 3.5, Number.POSITIVE_INFINITY) },
  ],
  ["empty", { shape: [0, 4], values: () => new Float32Array() }],
  // A slice of a larger buffer.
  ["b", { shape: [2], values: () => Float32Array.of(0, 7, 8, 0).subarray(1, 3) }],
]);

test("what is written reads back, bit by bit", async () => {
  const file = path.join(folder, "a.safetensors");
  await writeTensors(file, tensors);
  const read = withFile(file, parseHeader);
  expect([...read.keys()].toSorted()).toEqual(["b", "empty", "ä.weight"]);
  for (const [name, { shape, values }] of tensors) {
    expect(read.get(name)!.shape).toEqual(shape);
    expect(new Uint32Array(readFloats(read.get(name)!).buffer)).toEqual(new Uint32Array(values().slice().buffer));
  }
});

test("a file that could not be written is not there, nor a part of it; the one before it is", async () => {
  const file = path.join(folder, "b.safetensors");
  await writeTensors(file, new Map([["x", { shape: [1], values: () => Float32Array.of(5) }]]));
  const broken = { shape: [1], values: () => expect.unreachable() };
  await expect(writeTensors(file, new Map([...tensors, ["broken", broken]]))).rejects.toThrow();
  expect(readdirSync(folder).filter((name) => name.startsWith("b."))).toEqual(["b.safetensors"]);
  expect(readFloats(withFile(file, parseHeader).get("x")!)[0]).toBe(5);
});
