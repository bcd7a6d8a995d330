import { expect, test } from "vitest";
import { z } from "zod";
import { xattentionOptions } from "./options.ts";

/** The first error for these options: the option's name, if any, and the message. */
function complaint(options: Record<string, unknown>): string {
  const parsed = xattentionOptions.safeParse(options);
  if (parsed.success) throw new Error(`accepted ${JSON.stringify(options)}`);
  const issue = parsed.error.issues[0]!;
  return [...issue.path, issue.message].join(": ");
}

test("defaults are the paper's", () => {
  expect(xattentionOptions.parse({})).toEqual({
    threshold: 0.9,
    stride: 8,
    blockSize: 128,
    select: "antidiagonal",
    alternateShift: false,
    seed: 0,
    selection: "threshold",
    k: 16,
    ratio: 0.3,
    headGrouping: "query",
    forceSink: true,
    forceDiagonal: true,
    firstDenseLayers: 0,
    lastDenseTokens: 0,
    minLengthForSparse: 4096,
  });
});

test("text from a command line means what the value means", () => {
  const fromText = { threshold: "0.8", stride: "16", forceSink: "false", select: "mean-pool", thresholds: "a/b.json" };
  const values = { threshold: 0.8, stride: 16, forceSink: false, select: "mean-pool", thresholds: "a/b.json" };
  expect(xattentionOptions.parse(fromText)).toEqual(xattentionOptions.parse(values));
});

test.each([
  [{ threshold: "abc" }, 'threshold: expected a number of at least 0, got "abc"'],
  [{ threshold: "" }, 'threshold: expected a number of at least 0, got ""'],
  [{ threshold: -0.1 }, "threshold: expected a number of at least 0, got -0.1"],
  [{ threshold: "Infinity" }, "threshold: expected a number of at least 0, got Infinity"],
  [{ stride: 2.5 }, "stride: expected a whole number of at least 1, got 2.5"],
  [{ stride: "0" }, "stride: expected a whole number of at least 1, got 0"],
  [{ ratio: 1.5 }, "ratio: expected a number between 0 and 1, got 1.5"],
  [{ forceSink: "yes" }, 'forceSink: expected true or false, got "yes"'],
  [{ select: "pool" }, 'select: expected one of antidiagonal, diagonal, random, mean-pool, got "pool"'],
  [{ stride: 12 }, "stride 12 does not divide blockSize 128"],
  [{ stride: 256 }, "stride 256 does not divide blockSize 128"],
  [{ thresholds: "p.json", selection: "top-k" }, "thresholds are for selection=threshold, not selection=top-k"],
  [{ seed: 3 }, "seed is for select=random, not select=antidiagonal"],
  [{ alternateShift: true, select: "diagonal" }, "alternateShift is for select=antidiagonal, not select=diagonal"],
])("%j is refused in one sentence", (options, sentence) => {
  expect(complaint(options)).toBe(sentence);
});

test("an unknown option is named", () => {
  const issue = xattentionOptions.safeParse({ strid: 8 }).error?.issues[0];
  expect(issue).toMatchObject({ code: "unrecognized_keys", keys: ["strid"] });
});

test("thresholds of 1 or more are allowed: they mean dense", () => {
  expect(xattentionOptions.parse({ threshold: "1.5" }).threshold).toBe(1.5);
});

test("the JSON schema describes every option", () => {
  const schema = z.toJSONSchema(xattentionOptions, { io: "input" });
  const fields = Object.entries(schema.properties ?? {});
  expect(fields).toHaveLength(16);
  for (const [name, field] of fields) expect(field, name).toHaveProperty("description");
  expect(schema.properties?.["threshold"]).toMatchObject({ type: "number", minimum: 0, default: 0.9 });
});
