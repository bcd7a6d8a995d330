import { expect, test } from "vitest";
import { z } from "zod";
import { checked } from "./checked.ts";
import { listOf } from "./list-of.ts";

let read = 0;
const item = z.object({
  x: z.string().transform((x) => {
    read++;
    return x.length;
  }),
});
const lists = z.object({
  pairs: listOf(item, { of: "pairs", min: 1, max: 3 }),
  few: listOf(item, { of: "few", max: 2 }).nullish(),
});
const [good, bad] = [{ x: "ab" }, { x: 1 }];

test("what fits comes back as its items read it", () => {
  expect(checked(lists, { pairs: [good, good], few: null })).toEqual({ pairs: [{ x: 2 }, { x: 2 }], few: null });
});

test.each([
  [{}, '"pairs": expected a list of 1 to 3 pairs, got nothing'],
  [{ pairs: "x" }, '"pairs": expected a list of 1 to 3 pairs, got "x"'],
  [{ pairs: [] }, '"pairs": expected a list of 1 to 3 pairs, got []'],
  [{ pairs: [good, bad, good] }, '"pairs.1.x": expected string, got 1'],
  [{ pairs: [good], few: Array(99).fill(bad) }, '"few": expected a list of at most 2 few, got a list of 99'],
])("%o is refused in one sentence", (value, sentence) => {
  expect(() => checked(lists, value)).toThrow(sentence);
});

test("of a list that is too long nothing is read, and of faults the first alone is kept", () => {
  read = 0;
  lists.safeParse({ pairs: Array(1e6).fill(good) });
  expect(read).toBe(0);
  const { error } = lists.safeParse({ pairs: [bad, bad, bad] });
  expect(error!.issues).toHaveLength(1);
});

test("JSON Schema tells of its items and their number", () => {
  expect(z.toJSONSchema(listOf(z.string(), { of: "texts", min: 1, max: 3 }), { io: "input" })).toMatchObject({
    type: "array",
    items: { type: "string" },
    minItems: 1,
    maxItems: 3,
  });
});
