import { expect, test } from "vitest";
import type { DeciderKind } from "../../../../savings/depth/exits/deciders.ts";
import { seededRandom } from "../../../../util/random.ts";
import { finish } from "../../../session/finish.testing.ts";
import { batchesOf } from "../rows.ts";
import { options, POSITIONS, syntheticStates } from "../synthetic.testing.ts";
import { positionsOf } from "../training-states.ts";
import { classifierStages } from "./classifier.ts";

const random = seededRandom(21);
const layers = [1, 2, 3, 4];
/** How easy each token is, by layer. */
const easy = layers.map(() => Float32Array.from({ length: POSITIONS }, () => 2 * random() - 1));

const states = () =>
  syntheticStates(layers, (layer, position, stream) => {
    for (let k = 0; k < 6; k++) stream[layer + 8 * k]! += 3 * easy[layer - 1]![position]!;
  });
const linearLabels = easy.map((each) => Uint8Array.from(each, (value) => (value > 0.2 ? 1 : 0)));

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value) / values.length;

async function classifiers(
  kind: Exclude<DeciderKind, "controller">,
  labels: readonly Uint8Array[],
  how: typeof options,
  exits = layers.length,
) {
  const trainingStates = states();
  using _ = trainingStates.cache;
  const all = [];
  for (const [i, layer] of layers.slice(0, exits).entries()) {
    const job = { settings: { kind, width: 32 }, layer, labels: labels[i]!, share: 1 };
    all.push(await finish(classifierStages(trainingStates, job, how)));
  }
  return all;
}

test("a linear classifier learns its labels, and nothing from shuffled ones", async () => {
  const learnt = await classifiers("linear", linearLabels, options, 2);
  for (const { measured } of learnt) {
    expect(measured.auc).toBeGreaterThan(0.8);
    expect(measured.ece).toBeLessThan(0.08);
  }
  const shuffled = await classifiers("linear", linearLabels, { ...options, labels: "shuffled" });
  expect(Math.abs(mean(shuffled.map(({ measured }) => measured.auc)) - 0.5)).toBeLessThan(0.03);
  expect(shuffled[0]!.measured.positiveRate).toBe(learnt[0]!.measured.positiveRate);
});

test("a classifier with an inner layer learns what no linear one can", async () => {
  const labels = easy.map((each) => Uint8Array.from(each, (value) => (Math.abs(value) > 0.5 ? 1 : 0)));
  const [line] = await classifiers("linear", labels, options, 1);
  const [ffn] = await classifiers("ffn", labels, { ...options, deciderEpochs: 10, deciderRate: 1e-2 }, 1);
  expect(line!.measured.auc).toBeLessThan(0.6);
  expect(ffn!.measured.auc).toBeGreaterThan(0.7);
});

test("the weights work on plain streams: they give the measured probabilities", async () => {
  const trainingStates = states();
  using _ = trainingStates.cache;
  const job = { settings: { kind: "linear" as const }, layer: 2, labels: linearLabels[1]!, share: 1 };
  const { weights, temperature, test: measured } = await finish(classifierStages(trainingStates, job, options));
  const [weight, bias] = [weights.get("linear.2.weight")!.values, weights.get("linear.2.bias")!.values];
  const [first] = batchesOf(trainingStates.cache, [2], { range: trainingStates.corpus.ranges.test, size: 8 });
  const x = new Float32Array(8 * weight.length);
  first!.stream(2, x);
  for (let i = 0; i < 8; i++) {
    const logit = weight.reduce((sum, w, k) => sum + w * x[i * weight.length + k]!, bias[0]!);
    expect(measured[i]).toBeCloseTo(1 / (1 + Math.exp(-logit / temperature)), 4);
  }
  expect(first!.at[0]).toBe(positionsOf(trainingStates.corpus, trainingStates.corpus.ranges.test)[0]);
});

test("mamba learns what depends on the token before, and a linear classifier does not", async () => {
  const seen = (position: number) => (position % 64 === 0 ? 0 : easy[0]![position - 1]!);
  const labels = Uint8Array.from({ length: POSITIONS }, (_, position) => (seen(position) > 0 ? 1 : 0));
  const [line] = await classifiers("linear", [labels], options, 1);
  const [mamba] = await classifiers("mamba", [labels], { ...options, deciderEpochs: 10, deciderRate: 1e-2 }, 1);
  expect(line!.measured.auc).toBeLessThan(0.6);
  expect(mamba!.measured.auc).toBeGreaterThan(0.7);
});
