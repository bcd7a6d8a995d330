import { z } from "zod";

// Schemas for savings' options. Values are texts on the command line, and numbers and flags in recipe files and HTTP;
// both are parsed alike.

/** `0.9` and `"0.9"` mean the same; `""` and `"abc"` stay text and are refused. */
export const numberFromText = (value: unknown) =>
  typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;

/** `true` and `"true"` mean the same. */
export const flagFromText = (value: unknown) => (value === "true" ? true : value === "false" ? false : value);

const expected = (what: string) => ({
  error: ({ input }: { input?: unknown }) =>
    `expected ${what}, got ${typeof input === "number" ? input : JSON.stringify(input)}`,
});

// Defaults are set inside `z.preprocess`, so that the input's JSON schema shows them.

/** A number of at least 0. */
export const number = (fallback: number) => {
  const what = expected("a number of at least 0");
  return z.preprocess(numberFromText, z.number(what).min(0, what).default(fallback));
};

/** A number of at least 0, without a default. */
export const optionalNumber = () => {
  const what = expected("a number of at least 0");
  return z.preprocess(numberFromText, z.number(what).min(0, what).optional());
};

/** A number between 0 and 1. */
export const fraction = (fallback: number) => {
  const what = expected("a number between 0 and 1");
  return z.preprocess(numberFromText, z.number(what).min(0, what).max(1, what).default(fallback));
};

const atLeast = (least: number) => {
  const what = expected(`a whole number of at least ${least}`);
  return z.int(what).min(least, what);
};

/** A number between 0 and 1, without a default. */
export const optionalFraction = () => {
  const what = expected("a number between 0 and 1");
  return z.preprocess(numberFromText, z.number(what).min(0, what).max(1, what).optional());
};

/** A whole number of at least `least`. */
export const integer = (least: number, fallback: number) =>
  z.preprocess(numberFromText, atLeast(least).default(fallback));

/** A whole number in a range. */
export const integerBetween = (least: number, most: number, fallback: number) => {
  const what = expected(`a whole number between ${least} and ${most}`);
  return z.preprocess(numberFromText, z.int(what).min(least, what).max(most, what).default(fallback));
};

/** One of a set of numbers. */
export const oneOf = <const T extends readonly number[]>(values: T, fallback: T[number]) =>
  z.preprocess(numberFromText, z.literal(values, expected(values.join(" or "))).default(fallback));

/** A whole number without a default. */
export const optionalInteger = (least: number) => z.preprocess(numberFromText, atLeast(least).optional());

export const flag = (fallback: boolean) =>
  z.preprocess(flagFromText, z.boolean(expected("true or false")).default(fallback));

/** One of a set of names; callers set the default with `.default`. */
export const choice = <const T extends readonly string[]>(names: T) =>
  z.enum(names, expected(`one of ${names.join(", ")}`));

/** The path of a file; the saving also names the option in `files`. */
export const file = () => z.string(expected("a path")).optional();
