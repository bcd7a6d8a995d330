import { expect, test } from "vitest";
import { timeId } from "./receipt.ts";

test("an id is a UUID of version 7 that begins with its time", () => {
  const id = timeId(0x0199_abcd_ef01);
  expect(id).toMatch(/^0199abcd-ef01-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("ids sort by time as text, from 1970 to 10889", () => {
  const times = [0, 1, 255, 256, 1.7e12, 1.7e12 + 1, 2 ** 48 - 1];
  const ids = times.map((time) => timeId(time));
  expect([...ids].sort()).toEqual(ids);
});

test("ids of one millisecond differ", () => {
  expect(new Set(Array.from({ length: 1000 }, () => timeId(5))).size).toBe(1000);
});
