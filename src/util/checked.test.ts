import { expect, test } from "vitest";
import { z } from "zod";
import { checked, unlessInside } from "./checked.ts";

const schema = z.strictObject({
  count: z.int().min(1).max(9).optional(),
  kind: z.enum(["a", "b"]).optional(),
  names: z.array(z.string()).min(1).max(99).optional(),
  word: z.string().min(1).max(3).optional(),
  pair: z.array(z.number()).min(2).optional(),
  scores: z.record(z.string().regex(/^\d+$/, "expected a token id"), z.number()).optional(),
  either: z.union([z.string(), z.array(z.string())]).optional(),
  said: z.union([z.string(), z.array(z.string())], unlessInside("expected a text or texts")).optional(),
});

test("what fits comes back as the schema reads it", () => {
  expect(checked(schema, { count: 3 })).toEqual({ count: 3 });
});

const loop: Record<string, unknown> = {};
loop["loop"] = loop;

test.each([
  [5, "expected object, got 5"],
  [undefined, "expected object, got nothing"],
  [null, "expected object, got null"],
  [{ count: "3" }, '"count": expected number, got "3"'],
  [{ count: 0 }, '"count": must be at least 1 (got 0)'],
  [{ count: 10 }, '"count": must be at most 9 (got 10)'],
  [{ count: Number.NaN }, '"count": expected number, got NaN'],
  [{ count: 10n }, '"count": expected number, got a value of type bigint'],
  [{ count: loop }, '"count": expected number, got a value of type object'],
  [{ names: [] }, '"names": must not be empty'],
  [{ names: Array(100).fill("x") }, '"names": has 100 values; the limit is 99'],
  [{ word: "" }, '"word": must not be empty'],
  [{ word: "four" }, '"word": has 4 characters; the limit is 3'],
  [{ pair: [1] }, '"pair": must have at least 2 values (got 1)'],
  [{ kind: "c" }, '"kind": expected "a" or "b", got "c"'],
  [{ names: ["x", 7] }, '"names.1": expected string, got 7'],
  [{ names: "x".repeat(99) }, '"names": expected array, got a text of 99 characters'],
  [{ names: [Array(99).fill(1)] }, '"names.0": expected string, got a list of 99'],
  [{ either: 7 }, '"either": expected another value, got 7'],
  [{ either: ["x", 7] }, '"either.1": expected string, got 7'],
  [{ said: 7 }, '"said": expected a text or texts, got 7'],
  [{ said: [{ x: 1 }] }, '"said.0": expected string, got {"x":1}'],
  [{ scores: { x: 5 } }, '"scores": expected a token id, got "x"'],
  [{ scores: { 5: "x" } }, '"scores.5": expected number, got "x"'],
  [{ nmaes: [] }, 'there is no "nmaes"; did you mean "names"?'],
  [{ nosuch: 1 }, 'there is no "nosuch"'],
])("%o is refused with its place, what was expected and what was got", (value, sentence) => {
  expect(() => checked(schema, value)).toThrow(expect.objectContaining({ name: "UserError", message: sentence }));
});
