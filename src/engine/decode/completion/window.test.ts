import { expect, test } from "vitest";
import { windowOf } from "./window.ts";

/** One token per character. */
const count = (text: string) => text.length;
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `line ${String(from + i).padStart(3, "0")}\n`).join("");

test("a text that fits is whole", () => {
  const split = { before: "a\nb", after: "c\nd" };
  expect(windowOf(split, { before: 10, after: 10 }, count)).toEqual(split);
});

test("the nearest whole lines that fit, from a line that is also the first after the next keystrokes", () => {
  const split = { before: `${lines(0, 100)}abc`, after: `def\n${lines(101, 200)}` };
  const window = windowOf(split, { before: 300, after: 30 }, count);
  expect(window).toEqual({ before: `${lines(80, 100)}abc`, after: `def\n${lines(101, 103)}` });
  const next = windowOf({ ...split, before: `${split.before}d` }, { before: 300, after: 30 }, count);
  expect(next.before).toBe(`${window.before}d`);
});

test("a few long lines are taken although no multiple of the step is among them", () => {
  const before = `${lines(0, 20)}abc`;
  expect(windowOf({ before, after: "" }, { before: 23, after: 5 }, count).before).toBe(`${lines(18, 20)}abc`);
});

test("of a line that does not fit, its nearest part, in whole characters", () => {
  const split = { before: `x\n${"🙂".repeat(100)}`, after: `${"🙂".repeat(100)}\ny` };
  const { before, after } = windowOf(split, { before: 9, after: 9 }, count);
  for (const part of [before, after]) {
    expect(part).toMatch(/^(🙂)+$/u);
    expect(part.length).toBeLessThanOrEqual(9);
  }
});

test("a line of megabytes is not counted whole", () => {
  let counted = 0;
  const counting = (text: string) => {
    counted += text.length;
    return text.length;
  };
  windowOf({ before: "x".repeat(5_000_000), after: "y".repeat(5_000_000) }, { before: 100, after: 100 }, counting);
  expect(counted).toBeLessThan(10_000);
});
