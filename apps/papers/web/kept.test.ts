import { expect, test } from "vitest";
import { Kept } from "./kept.ts";

test("work runs once per key, again after a failure, and again after its result was evicted", async () => {
  const cache = new Kept<number>(2);
  let runs = 0;
  const make = async () => ++runs;
  expect(await Promise.all([cache.of("a", make), cache.of("a", make)])).toEqual([1, 1]);
  await expect(cache.of("b", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
  expect(await cache.of("b", make)).toBe(2);
  await cache.of("c", make);
  expect(await cache.of("a", make)).toBe(4);
});
