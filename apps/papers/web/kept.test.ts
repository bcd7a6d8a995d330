import { expect, test } from "vitest";
import { Kept } from "./kept.ts";

test("work runs once per key, again after a failure, and again after its result was evicted", async () => {
  const kept = new Kept<number>(2);
  let runs = 0;
  const make = async () => ++runs;
  expect(await Promise.all([kept.of("a", make), kept.of("a", make)])).toEqual([1, 1]);
  await expect(kept.of("b", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
  expect(await kept.of("b", make)).toBe(2);
  await kept.of("c", make);
  expect(await kept.of("a", make)).toBe(4);
});
