import { expect, test } from "vitest";
import { trainOptions } from "../options.ts";
import { newSubject } from "./subject.ts";

const options = trainOptions.parse({
  architecture: { model_type: "gpt2", n_embd: 32, n_layer: 2, n_head: 2, n_positions: 8, layer_norm_epsilon: 1e-5 },
  data: "none.txt",
});

test("a pattern selects the parameters that are trained", async () => {
  using subject = await newSubject({ ...options, train: ["blk.1.ffn_*"] }, 5);
  const trained = subject.store.parameters.filter((parameter) => parameter.trained).map(({ name }) => name);
  expect(trained.toSorted()).toEqual(
    ["norm", "up", "down"].flatMap((part) => [`blk.1.ffn_${part}.bias`, `blk.1.ffn_${part}.weight`]).toSorted(),
  );
});

test.each(["blk.1.fnn_up.weight", "blk.1.ffn_up", "*1.ffnup*"])(
  "%s matches nothing: the nearest names are told",
  async (pattern) => {
    await expect(() => newSubject({ ...options, train: [pattern] }, 5)).rejects.toThrow(
      /^train: no parameter is named .*; near it are .*"blk\.1\.ffn_up\.weight"/,
    );
  },
);

test("matrices of a new model have the deviation that its configuration says", async () => {
  const deviationOf = async (initial: object) => {
    const architecture = { ...options.architecture, ...initial };
    using subject = await newSubject({ ...options, architecture }, 5);
    const values = subject.store.valuesOf(subject.store.parameter("blk.0.ffn_up.weight"));
    return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  };
  expect(await deviationOf({})).toBeCloseTo(0.02, 2);
  expect(await deviationOf({ initializer_range: 0.1 })).toBeCloseTo(0.1, 2);
  await expect(() => deviationOf({ initializer_range: -1 })).rejects.toThrow(
    "architecture: initializer_range is -1, expected a number above 0",
  );
});
