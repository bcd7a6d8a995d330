import { expect, test } from "vitest";
import type { WritableTensor } from "../safetensors/write.ts";
import type { Names } from "./names.ts";
import { asStored } from "./stored.ts";

/** q, k and v, two rows each, stored in one tensor of the checkpoint. */
const names: Names = (canonical) => {
  const from = 2 * "qkv".indexOf(canonical);
  return { name: "in_proj", rows: [from, from + 2] };
};
const tensor = (shape: number[], ...values: number[]): WritableTensor => ({
  shape,
  values: () => Float32Array.from(values),
});

test("slices are put together by their rows, in whatever order they come", () => {
  const matrices = new Map([
    ["v", tensor([2, 2], 9, 10, 11, 12)],
    ["q", tensor([2, 2], 1, 2, 3, 4)],
    ["k", tensor([2, 2], 5, 6, 7, 8)],
  ]);
  const written = asStored(names, matrices).get("in_proj")!;
  expect(written.shape).toEqual([6, 2]);
  expect([...written.values()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const biases = new Map([
    ["k", tensor([2], 3, 4)],
    ["q", tensor([2], 1, 2)],
  ]);
  expect([...asStored(names, biases).get("in_proj")!.values()]).toEqual([1, 2, 3, 4]);
});

test("a slice without the one before it is an error", () => {
  const some = new Map([
    ["q", tensor([2], 1, 2)],
    ["v", tensor([2], 5, 6)],
  ]);
  expect(() => asStored(names, some)).toThrow("in_proj: rows 2 to 4 are missing");
});
