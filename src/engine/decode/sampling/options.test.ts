import { expect, test } from "vitest";
import { samplingOptions } from "./options.ts";

test("the defaults are greedy and neutral", () => {
  expect(samplingOptions.parse({})).toEqual({
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    repetitionWindow: 64,
    frequencyPenalty: 0,
    presencePenalty: 0,
    logitBias: {},
  });
});

test.each([
  ["temperature", [-0.1, Infinity, Number.NaN, "1"]],
  ["topK", [-1, 1.5]],
  ["topP", [-0.01, 1.01]],
  ["minP", [-0.01, 1.01]],
  ["repetitionPenalty", [0, -1, Infinity]],
  ["repetitionWindow", [0, 2.5]],
  ["frequencyPenalty", [-2.1, 2.1]],
  ["presencePenalty", [-2.1, 2.1]],
  ["logitBias", [{ 5: 101 }, { 5: -101 }, { "-1": 3 }, { the: 3 }, [1]]],
  ["seed", [-1, 0.5, 2 ** 53]],
  ["logprobs", [-1, 21, 1.5]],
  ["tempreature", [1]],
])("%s refuses what lies outside", (name, values) => {
  for (const value of values) {
    const { error } = samplingOptions.safeParse({ [name]: value });
    expect(JSON.stringify(error?.issues)).toContain(name);
  }
});

test("the bounds themselves are accepted", () => {
  const bounds = [
    { temperature: 0, topP: 0, minP: 1, frequencyPenalty: -2, presencePenalty: 2, seed: 2 ** 53 - 1, logprobs: 20 },
    {
      topP: 1,
      minP: 0,
      frequencyPenalty: 2,
      presencePenalty: -2,
      seed: 0,
      logprobs: 0,
      logitBias: { 0: 100, 7: -100 },
    },
  ];
  for (const options of bounds) expect(samplingOptions.parse(options)).toMatchObject(options);
});
