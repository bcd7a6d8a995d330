import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { Blocks, type Units } from "./blocks.ts";
import { greatest, PruningMask } from "./mask.ts";

const matrices = [
  { name: "blk.0.ffn_up.weight", offset: 0, rows: 16, columns: 8 },
  { name: "blk.1.ffn_up.weight", offset: 128, rows: 8, columns: 8 },
];
const WEIGHTS = 192;
/** The number of elements after the matrices, which are never pruned. */
const REST = 10;

const randomValues = (seed: number): Float32Array => {
  const random = seededRandom(seed);
  return Float32Array.from({ length: WEIGHTS + REST }, () => 2 * random() - 1);
};
function maskOf(scope: "global" | "layer", block = { rows: 1, columns: 1 }): PruningMask {
  const blocks = matrices.map((matrix) => new Blocks(matrix, block));
  return new PruningMask(WEIGHTS + REST, scope === "global" ? [blocks] : blocks.map((each) => [each]));
}
const magnitudes = (values: Float32Array) => (blocks: Units, index: number) => blocks.magnitude(index, values);
const remaining = (mask: PruningMask, from = 0, to = WEIGHTS): number =>
  mask.bytes.subarray(from, to).reduce((sum, byte) => sum + byte, 0);

test("exactly as many of the greatest are chosen as requested, ties in order", () => {
  expect([...greatest(Float32Array.of(1, 3, 2, 3), 2)]).toEqual([0, 1, 0, 1]);
  expect([...greatest(Float32Array.of(2, 2, 5, 2), 3)]).toEqual([1, 1, 1, 0]);
  expect([...greatest(Float32Array.of(0, 0), 0)]).toEqual([0, 0]);
  expect([...greatest(Float32Array.of(0, 0), 5)]).toEqual([1, 1]);
});

test("counts are exact, and no weight comes back", () => {
  const mask = maskOf("global");
  let before = mask.bytes.slice();
  for (const [i, density] of [0.9, 0.7, 0.5, 1 - 0.8].entries()) {
    mask.prune(density, magnitudes(randomValues(i)));
    expect(remaining(mask)).toBe(Math.floor(WEIGHTS * density + 1e-9));
    expect(mask.weightsLeft(density)).toBe(remaining(mask));
    expect(mask.bytes.every((byte, place) => byte <= before[place]!)).toBe(true);
    before = mask.bytes.slice();
  }
  expect(remaining(mask, WEIGHTS, WEIGHTS + REST)).toBe(REST);
});

test("equal weights still leave the exact count", () => {
  const mask = maskOf("global");
  mask.prune(0.3, magnitudes(new Float32Array(WEIGHTS)));
  expect(remaining(mask)).toBe(57);
});

test("the smallest magnitudes are pruned", () => {
  const values = randomValues(7);
  const mask = maskOf("global");
  mask.prune(0.5, magnitudes(values));
  const sizes = (byte: number) =>
    [...values.subarray(0, WEIGHTS)].filter((_, i) => mask.bytes[i] === byte).map((value) => Math.abs(value));
  expect(Math.max(...sizes(0))).toBeLessThan(Math.min(...sizes(1)));
});

test("a matrix ten times as large retains more of itself by global scope, and its share by layer", () => {
  const values = randomValues(3).map((value, i) => (i >= 128 ? 10 * value : value));
  const survivorsBy = (scope: "global" | "layer") => {
    const mask = maskOf(scope);
    mask.prune(0.5, magnitudes(values));
    return remaining(mask, 128, WEIGHTS) / 64;
  };
  expect(survivorsBy("global")).toBeGreaterThan(0.9);
  expect(survivorsBy("layer")).toBe(0.5);
});

test("whole blocks are pruned, the least mean magnitude first", () => {
  const values = randomValues(5);
  const mask = maskOf("global", { rows: 4, columns: 2 });
  mask.prune(0.5, magnitudes(values));
  expect(remaining(mask)).toBe(96);
  for (let block = 0; block < 16; block++) {
    const [top, across] = [4 * Math.floor(block / 4), 2 * (block % 4)];
    const places = [0, 1, 2, 3].flatMap((row) => [0, 1].map((column) => (top + row) * 8 + across + column));
    expect(new Set(places.map((place) => mask.bytes[place])).size).toBe(1);
  }
});

test("a block that does not divide a matrix is refused", () => {
  expect(() => maskOf("global", { rows: 16, columns: 1 })).toThrow(
    "sparse: block: 16x1 does not divide blk.1.ffn_up.weight, which is 8x8; exclude it",
  );
});

test("pruned weights are zero, also in incomplete words", () => {
  const values = new Float32Array(WEIGHTS + REST).fill(1);
  const mask = maskOf("global");
  mask.prune(0.5, magnitudes(values));
  mask.apply(values);
  expect(values.reduce((sum, value) => sum + value, 0)).toBe(96 + REST);
  expect(mask.bytes.length % 4).toBe(0);
});
