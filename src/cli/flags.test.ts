import { Command } from "commander";
import { expect, test } from "vitest";
import { z } from "zod";
import { addFlags, readFlags } from "./flags.ts";

const schema = z.strictObject({
  topK: z.int().min(0).default(0).describe("keep the k likeliest"),
  share: z.number().optional(),
  name: z.string().default("x"),
  fast: z.boolean().default(false),
  guarded: z.boolean().default(true).describe("look twice"),
  stop: z.array(z.string().min(1)).default([]),
  logitBias: z.record(z.string().regex(/^\d+$/), z.number()).default({}),
  words: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  again: z.union([z.boolean(), z.literal("auto")]).optional(),
  lora: z.strictObject({ rank: z.int().default(8) }).optional(),
});

function read(...words: string[]): z.output<typeof schema> {
  const command = addFlags(new Command().exitOverride().option("--other <x>"), schema);
  command.parse(words, { from: "user" });
  return readFlags(schema, command.opts());
}

test("without flags the schema's own defaults apply", () => {
  expect(read("--other", "1")).toEqual({ topK: 0, name: "x", fast: false, guarded: true, stop: [], logitBias: {} });
});

test("every kind of property has its flag", () => {
  const words = ["--top-k", "5", "--share", "-0.5", "--name", "12", "--fast", "--no-guarded"];
  expect(read(...words)).toMatchObject({ topK: 5, share: -0.5, name: "12", fast: true, guarded: false });
  expect(read("--stop", "a", "--stop", "b,c").stop).toEqual(["a", "b,c"]);
  expect(read("--logit-bias", "12=-5", "--logit-bias", "7=1").logitBias).toEqual({ 12: -5, 7: 1 });
  expect(read("--logit-bias", "12=-5,7=1").logitBias).toEqual({ 12: -5, 7: 1 });
  expect([read("--again").again, read("--again", "auto").again]).toEqual([true, "auto"]);
  expect(read("--words", "a=b,c,d=1,e=true").words).toEqual({ a: "b,c", d: 1, e: true });
});

test.each([
  [["--top-k", "1.5"], /^--top-k: .*int.*got 1\.5/],
  [["--top-k", ""], /^--top-k: expected number, got ""/],
  [["--share", "Infinity"], /^--share: .*, got Infinity/],
  [["--top-k", "-1"], /^--top-k: must be at least 0 \(got -1\)$/],
  [["--stop", ""], /^--stop: must not be empty$/],
  [["--logit-bias", "12"], /^--logit-bias: expected key=value, got "12"/],
  [["--lora", "rnk=4"], /^--lora: there is no "rnk"; did you mean "rank"\?$/],
  [["--logit-bias", "12=much"], /^--logit-bias 12: expected number, got "much"/],
])("%j is refused by the flag's name", (words, message) => {
  expect(() => read(...words)).toThrow(
    expect.objectContaining({ name: "UserError", exitCode: 2, message: expect.stringMatching(message) }),
  );
});

test("the help shows descriptions and plain defaults", () => {
  const help = addFlags(new Command(), schema).helpInformation();
  expect(help).toMatch(/--top-k <n> +keep the k likeliest \(default: 0\)/);
  expect(help).toMatch(/--logit-bias <key=value> .*may be repeated/);
  expect(help).not.toMatch(/\[\]|\{\}/);
});
