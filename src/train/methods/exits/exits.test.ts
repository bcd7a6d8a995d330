import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import type { Batch } from "../../data/batch.ts";
import { type TrainOptions, trainOptions } from "../../options.ts";
import { Passes } from "../../step/passes.ts";
import { newSubject, type Subject } from "../../subject/subject.ts";
import { chosenMethod } from "../registry.ts";
import { exits, sharesOf } from "./exits.ts";

const [LAYERS, TOKENS, VOCABULARY] = [4, 6, 13];
const optionsOf = (layers: number, train: readonly string[] = []): TrainOptions =>
  trainOptions.parse({
    architecture: {
      ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: layers, num_attention_heads: 2 },
      ...{ num_key_value_heads: 1, intermediate_size: 24, max_position_embeddings: 32, rms_norm_eps: 1e-5 },
    },
    ...{ data: "none.txt", tokens: TOKENS, steps: 1, validation: 0, train },
  });

/** A model of `layers` layers whose values equal the deepest model's. */
async function model(layers: number, train?: readonly string[]): Promise<Subject> {
  const subject = await newSubject(optionsOf(layers, train), VOCABULARY);
  for (const parameter of subject.store.parameters) {
    const random = seededRandom([...parameter.name].reduce((sum, c) => 31 * sum + c.charCodeAt(0), 7) % 2 ** 31);
    const values = subject.store.valuesOf(parameter);
    for (let i = 0; i < values.length; i++) values[i] = (parameter.shape.length === 1 ? 1 : 0) + 0.5 * (random() - 0.5);
  }
  return subject;
}

const random = seededRandom(1);
const below = (n: number) => Math.floor(n * random());
const batch: Batch = {
  ...{ rows: 2, tokens: TOKENS, samples: 2, labelled: 9 },
  ids: Int32Array.from({ length: 2 * TOKENS }, () => below(VOCABULARY)),
  labels: Int32Array.from({ length: 2 * TOKENS }, (_, i) => (i % 4 === 1 ? -1 : below(VOCABULARY))),
};
const shape = { rows: 2, tokens: TOKENS, packed: false };

interface StepResult {
  readonly nats: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly exitFlops: number;
}

/** Computes a batch's gradients, keyed by parameter name. */
async function train(subject: Subject, weight: number, recompute = false): Promise<StepResult> {
  const { trainee, store } = subject;
  using passes = await Passes.create(trainee, store, shape, recompute);
  store.zeroGradients();
  const nats = await passes.train(batch, weight);
  const gradients = store.parameters
    .filter((p) => p.trained)
    .map(({ name, shape: sizes, offset }) => {
      const length = sizes.reduce((product, size) => product * size, 1);
      return [name, new Float32Array(store.gradients.memory, 4 * offset, length).slice()] as const;
    });
  return { nats, gradients: new Map(gradients), exitFlops: passes.takeCost().exits };
}

const withExits = (subject: Subject, text: string): Subject => {
  const { method, options } = chosenMethod({ method: text })!;
  return { ...subject, trainee: { ...subject.trainee, exits: method.exits!(options, subject.trainee) } };
};

describe.each([
  { text: "exits:layers=1+3", layers: [1, 3], shares: [1 / 8, 3 / 8, 4 / 8], train: [], recompute: false },
  {
    text: "exits:weights=uniform",
    layers: [1, 2, 3],
    shares: [1, 1, 1, 1].map((v) => v / 4),
    train: [],
    recompute: true,
  },
  { text: "exits:layers=half", layers: [2, 3], shares: [2 / 9, 3 / 9, 4 / 9], train: ["blk.2.*"], recompute: false },
  {
    text: "exits:layers=1+2",
    layers: [1, 2],
    shares: [1 / 7, 2 / 7, 4 / 7],
    train: ["output_norm*"],
    recompute: false,
  },
])("$text, with $train trained", ({ text, layers, shares, train: trained, recompute }) => {
  test("the gradient is the sum of the gradients of models that end at the exits", async () => {
    using whole = await model(LAYERS, trained);
    const { nats, gradients, exitFlops } = await train(withExits(whole, text), 1 / batch.labelled, recompute);
    const sums = new Map([...gradients].map(([name, values]) => [name, new Float64Array(values.length)]));
    for (const [i, depth] of [...layers, LAYERS].entries()) {
      const names = [...gradients.keys()].filter((name) => Number(/^blk\.(\d+)/.exec(name)?.[1] ?? -1) < depth);
      if (names.length === 0) continue;
      using part = await model(depth, names);
      const result = await train(part, shares[i]! / batch.labelled);
      if (depth === LAYERS) expect(nats).toBeCloseTo(result.nats, 4);
      for (const [name, values] of result.gradients) for (const [k, v] of values.entries()) sums.get(name)![k]! += v;
    }
    for (const [name, sum] of sums) {
      const norm = Math.sqrt(sum.reduce((total, v) => total + v * v, 0));
      const apart = Math.sqrt(sum.reduce((total, v, k) => total + (v - gradients.get(name)![k]!) ** 2, 0));
      expect(norm, name).toBeGreaterThan(1e-4);
      expect(apart / norm, name).toBeLessThan(1e-4);
    }
    expect(exitFlops).toBeGreaterThan(0);
  });
});

test("shares of the layers' losses", () => {
  expect(sharesOf("linear", [1, 2, 3, 4], 4)).toEqual([0.1, 0.2, 0.3, 0.4]);
  expect(sharesOf("uniform", [2, 4], 4)).toEqual([0.5, 0.5]);
  // The unnormalised shares are 0, 1 and 3 for the layers before the last, and 3 + 3 for the last.
  expect(sharesOf("layerskip", [1, 2, 3, 4], 4)).toEqual([0, 0.1, 0.3, 0.6]);
});

test.each(["0", "4", "1+1", "2+x", ""])('layers "%s" are refused', async (layers) => {
  using subject = await model(LAYERS);
  expect(() => exits.exits!({ layers, weights: "linear" }, subject.trainee)).toThrow(
    "expected distinct numbers, 1 to 3, joined by +",
  );
});
