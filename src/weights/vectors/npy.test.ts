import { expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { readNpy } from "./npy.ts";

/** A `.npy` file of version 1. */
function npy(header: string, values: readonly number[] = []): Uint8Array {
  const text = Buffer.from(`${header}\n`, "latin1");
  const start = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  start.writeUInt16LE(text.length, 8);
  return Buffer.concat([start, text, Buffer.from(Float32Array.from(values).buffer)]);
}

const header = (order: "True" | "False", descr = "<f4", shape = "(2, 3)") =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

test("rows come in the same order from either order of the file", () => {
  const expected = { rows: 2, width: 3, values: Float32Array.of(1, 2, 3, 4, 5, 6) };
  expect(readNpy("a.npy", npy(header("False"), [1, 2, 3, 4, 5, 6]))).toEqual(expected);
  expect(readNpy("a.npy", npy(header("True"), [1, 4, 2, 5, 3, 6]))).toEqual(expected);
});

test.each([
  ["another kind of file", Buffer.from("PK\x03\x04 and more of it"), "a.npy: this is not a .npy file"],
  ["one that is cut short", npy(header("False"), [1, 2, 3, 4]), "a.npy: its last 8 bytes of numbers are missing"],
  [
    "float64",
    npy(header("False", "<f8"), []),
    `a.npy: the header's "descr": expected little-endian float32, got ${header("False", "<f8")}`,
  ],
  [
    "one dimension",
    npy(header("False", "<f4", "(6,)"), []),
    `a.npy: the header's "shape": expected two dimensions, got ${header("False", "<f4", "(6,)")}`,
  ],
])("%s is refused", (_, bytes, message) => {
  expect(() => readNpy("a.npy", bytes)).toThrow(new UserError(message));
});
