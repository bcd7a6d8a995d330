import { expect, test } from "vitest";
import { z } from "zod";
import { chatSamplingOf, samplingOf, samplingShape } from "./sampling.ts";

const fields = (options: object) => z.object(samplingShape).parse(options);

test("a chat without sampling fields uses the model's own settings", () => {
  for (const options of [{}, { seed: 3 }, { temperature: null, top_p: null }, { logit_bias: { 5: 1 } }])
    expect(chatSamplingOf(fields(options))).toEqual({ modelSampling: true });
  for (const options of [{ temperature: 0 }, { top_p: 1 }, { top_k: -1 }, { min_p: 0 }, { presence_penalty: 0 }])
    expect(chatSamplingOf(fields(options))).toEqual({ modelSampling: false });
});

test("a completion never does: its temperature is 1, and each choice has its own seed", () => {
  expect(samplingOf(fields({ seed: 3 }), 2)).toMatchObject({ temperature: 1, seed: 5 });
  expect(samplingOf(fields({ top_k: -1 }), 0)).toMatchObject({ temperature: 1, topK: 0, seed: undefined });
  expect(samplingOf(fields({}), 0)).not.toHaveProperty("modelSampling");
});

test("a seed is any whole number of 64 bits except -1, which means none; the engine gets 53 bits", () => {
  const seedOf = (text: string) => samplingOf(fields(JSON.parse(`{ "seed": ${text} }`)), 0).seed;
  const plain = ["0", "1", "4294967296", `${2 ** 53 - 2}`];
  expect(plain.map(seedOf)).toEqual(plain.map(Number));
  expect(seedOf("-1")).toBeUndefined();
  const others = [
    "-2",
    "-3",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551615",
    "9007199254740994",
  ];
  const seeds = [...plain, ...others].map(seedOf);
  // The smallest seed is the largest plus one as 64-bit integers, and JSON rounds 2^64 − 1 to 2^64, which is 0.
  expect(new Set(seeds).size).toBe(plain.length + others.length - 2);
  for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed! >= 0).toBe(true);
  for (const odd of ["0.5", "1e20", "-1e20", "1e999"])
    expect(() => seedOf(odd)).toThrow(/of at most 64 bits|expected number/);
});
