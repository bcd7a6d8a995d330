import { expect, test } from "vitest";
import { newMemo } from "./memo.ts";

test("a value is made once for each key, also if it is undefined", () => {
  const memo = newMemo();
  const calls: string[] = [];
  const valueOfKey = (key: string) => memo(key, () => void calls.push(key));
  expect([valueOfKey("a"), valueOfKey("b"), valueOfKey("a")]).toEqual([undefined, undefined, undefined]);
  expect(calls).toEqual(["a", "b"]);
  expect(memo("c", () => 1)).toBe(1);
  expect(memo("c", () => 2)).toBe(1);
});
