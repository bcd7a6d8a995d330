import { expect, test } from "vitest";
import { BoundStacks } from "./bound-stacks.ts";

test("the twelve stacks used last stay bound", () => {
  const stacks = new BoundStacks();
  const [bound, dropped] = [[] as number[], [] as number[]];
  const use = (key: number) =>
    stacks.of(String(key), () => {
      bound.push(key);
      return { run: async () => {}, [Symbol.dispose]: () => dropped.push(key) };
    });
  const first = use(0);
  for (let key = 1; key < 12; key++) use(key);
  expect(use(0)).toBe(first);
  expect(dropped).toEqual([]);
  use(12);
  expect(dropped).toEqual([1]);
  expect(use(0)).toBe(first);
  use(1);
  expect([bound.slice(12), dropped]).toEqual([
    [12, 1],
    [1, 2],
  ]);
});
