import { expect, test } from "vitest";
import { z } from "zod";
import { choice, file, flag, fraction, integer, number, optionalInteger } from "./option-schemas.ts";

const options = z.strictObject({
  weight: number(2),
  share: fraction(0.5),
  count: integer(1, 3),
  layer: optionalInteger(1),
  deep: flag(false),
  by: choice(["first", "last"]).default("first"),
  heads: file(),
});

test("defaults fill in what is not given; an optional number has none", () => {
  expect(options.parse({})).toEqual({ weight: 2, share: 0.5, count: 3, deep: false, by: "first" });
});

test("text means what the value means", () => {
  const values = { weight: 0.5, share: 1, count: 4, layer: 7, deep: true, by: "last", heads: "h.json" };
  const texts = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
  expect(options.parse(texts)).toEqual(values);
});

test.each([
  [{ weight: "-1" }, "expected a number of at least 0, got -1"],
  [{ share: 1.5 }, "expected a number between 0 and 1, got 1.5"],
  [{ count: "0" }, "expected a whole number of at least 1, got 0"],
  [{ layer: "" }, 'expected a whole number of at least 1, got ""'],
  [{ layer: 2.5 }, "expected a whole number of at least 1, got 2.5"],
  [{ deep: "yes" }, 'expected true or false, got "yes"'],
  [{ by: "middle" }, 'expected one of first, last, got "middle"'],
  [{ heads: 3 }, "expected a path, got 3"],
])("%j is refused in one sentence", (values, sentence) => {
  expect(options.safeParse(values).error?.issues[0]).toMatchObject({ path: Object.keys(values), message: sentence });
});

test("the JSON schema of the input has types, bounds and defaults", () => {
  expect(z.toJSONSchema(options, { io: "input" }).properties).toMatchObject({
    weight: { type: "number", minimum: 0, default: 2 },
    layer: { type: "integer", minimum: 1 },
    deep: { type: "boolean", default: false },
    by: { enum: ["first", "last"], default: "first" },
  });
});
