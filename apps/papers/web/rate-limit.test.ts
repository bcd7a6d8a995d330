import { expect, test } from "vitest";
import { RateLimit } from "./rate-limit.ts";

test("a burst passes, the next request waits, and time frees capacity; clients are independent", () => {
  let now = 0;
  const limit = new RateLimit(6, 2, () => now);
  expect([limit.wait("a"), limit.wait("a"), limit.wait("a")]).toEqual([0, 0, 10]);
  expect(limit.wait("b")).toBe(0);
  now = 10_000;
  expect([limit.wait("a"), limit.wait("a")]).toEqual([0, 10]);
});
