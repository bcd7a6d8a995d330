import { describe, expect, test } from "vitest";
import { type PrecisionPolicy, roundTo } from "../../graph/index.ts";
import { sampleData } from "../data/pack.ts";
import type { Sample } from "../data/samples.ts";
import { trainOptions } from "../options.ts";
import { TrainingRun } from "../session/run.ts";
import { stabilityWarning } from "../session/stability.ts";
import { newSubject } from "../subject/subject.ts";
import { lossScale } from "./precision.ts";

const TOKENS = 16;
const VOCABULARY = 17;
const samples = Array.from({ length: 4 }, (_, row): Sample => {
  const ids = Int32Array.from({ length: TOKENS }, (_, i) => (row + i * i) % VOCABULARY);
  return { ids, labels: ids.map((id) => (id + 1) % VOCABULARY) };
});

function optionsOf(precision: PrecisionPolicy, lr = 1e-3) {
  return trainOptions.parse({
    architecture: {
      ...{ model_type: "mamba2", hidden_size: 16, num_hidden_layers: 1, expand: 2, num_heads: 2, head_dim: 16 },
      ...{ state_size: 8, n_groups: 1 },
    },
    ...{ data: "none.jsonl", tokens: TOKENS, steps: 2, batch: 4, validation: 0, optimizer: { lr }, precision },
  });
}

/** Runs a step; returns its loss, gradient and weights. */
async function stepOf(precision: PrecisionPolicy) {
  const options = optionsOf(precision);
  const training = sampleData(samples, { packing: false, rows: 4, tokens: TOKENS });
  using run = await TrainingRun.open(options, await newSubject(options, VOCABULARY), {
    ...{ training, heldOut: undefined, hash: "" },
  });
  const { loss, norm } = await run.step();
  const { store } = run.stage.subject;
  return { loss, norm, weights: new Float32Array(store.values.memory, 0, store.trainedElements).slice() };
}

describe("a step in a simulated precision", () => {
  test("equals fp32's up to rounding; pure-bf16 stores its weights in bf16", async () => {
    const plain = await stepOf("fp32");
    for (const [precision, most] of [
      ["amp-fp16", 2e-3],
      ["amp-bf16", 2e-2],
      ["pure-bf16", 1e-1],
    ] as const) {
      const { loss, norm, weights } = await stepOf(precision);
      expect(loss, precision).not.toBe(plain.loss);
      expect(Math.abs(loss - plain.loss), precision).toBeLessThan(most);
      expect(Math.abs(norm / plain.norm - 1), precision).toBeLessThan(most);
      expect(
        weights.every((value) => value === roundTo(value, "bf16")),
        precision,
      ).toBe(precision === "pure-bf16");
    }
  });

  test("the loss of fp16 is scaled, and less after each overflow", () => {
    expect([0, 1, 3].map((skipped) => lossScale("amp-fp16", skipped))).toEqual([65_536, 32_768, 8192]);
    expect(lossScale("amp-bf16", 0)).toBe(1);
  });
});

test("a state space that leaves its bound is reported", async () => {
  using subject = await newSubject(optionsOf("fp32"), VOCABULARY);
  const { store } = subject;
  const [rates, biases] = ["ssm_a_log", "ssm_dt.bias"].map((part) => store.valuesOf(store.parameter(`blk.0.${part}`)));
  expect(stabilityWarning(store, "fp32")).toBeUndefined();
  rates!.fill(0);
  biases!.fill(Math.log(Math.expm1(0.001)));
  expect(stabilityWarning(store, "amp-bf16")).toBeUndefined();
  expect(stabilityWarning(store, "pure-bf16")).toBe(
    "layer 0: 100 % of the decays round to 1 in bf16 when at rest: such channels never forget",
  );
  rates![1] = -800;
  expect(stabilityWarning(store, "fp32")).toBe(
    "layer 0: A has become 0 in a channel, so its state never forgets (λ = 0)",
  );
  rates![1] = 100;
  biases![1] = Number.NaN;
  expect(stabilityWarning(store, "fp32")).toContain("layer 0: A_log or the step sizes' bias is not finite");
});
