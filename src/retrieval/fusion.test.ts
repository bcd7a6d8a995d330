import { expect, test } from "vitest";
import { fuse } from "./fusion.ts";

const key = (item: string) => item.toLowerCase();

test("scores are the sums of reciprocal ranks with the constant 60", () => {
  const fused = fuse(
    [
      ["a", "b", "c"],
      ["c", "d"],
    ],
    key,
  );
  expect(fused.map(({ item }) => item)).toEqual(["c", "a", "b", "d"]);
  expect(fused[0]!.score).toBeCloseTo(1 / 63 + 1 / 61, 15);
  expect(fused[3]!.score).toBeCloseTo(1 / 62, 15);
});

test("equal scores keep the first ranking's order; of one item, the better rank is kept", () => {
  expect(fuse([["a"], ["b"]], key).map(({ item }) => item)).toEqual(["a", "b"]);
  expect(fuse([["x", "a"], ["A"]], key)[0]!.item).toBe("A");
  expect(fuse([["a"], ["x", "A"]], key)[0]!.item).toBe("a");
});

test("no rankings fuse to nothing", () => {
  expect(fuse([], key)).toEqual([]);
  expect(fuse([[], ["a"]], key)).toHaveLength(1);
});
