import { expect, test } from "vitest";
import { z } from "zod";
import { chatSamplingOf, samplingOf, samplingShape } from "./sampling.ts";

const fields = (given: object) => z.object(samplingShape).parse(given);

test("a chat that says nothing of sampling is drawn by the model's own settings", () => {
  for (const given of [{}, { seed: 3 }, { temperature: null, top_p: null }, { logit_bias: { 5: 1 } }])
    expect(chatSamplingOf(fields(given))).toEqual({ modelSampling: true });
  for (const given of [{ temperature: 0 }, { top_p: 1 }, { top_k: -1 }, { min_p: 0 }, { presence_penalty: 0 }])
    expect(chatSamplingOf(fields(given))).toEqual({ modelSampling: false });
});

test("a completion never is: its temperature is 1, and its choices have seeds of their own", () => {
  expect(samplingOf(fields({ seed: 3 }), 2)).toMatchObject({ temperature: 1, seed: 5 });
  expect(samplingOf(fields({ top_k: -1 }), 0)).toMatchObject({ temperature: 1, topK: 0, seed: undefined });
  expect(samplingOf(fields({}), 0)).not.toHaveProperty("modelSampling");
});
