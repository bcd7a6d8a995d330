import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import type { Batch, RankedList } from "../data/batch.ts";
import { type RankLossName, rankLosses } from "../methods/first/losses.ts";
import { trainOptions } from "../options.ts";
import { Passes } from "../step/passes.ts";
import { newSubject, type Subject } from "../subject/subject.ts";
import { type RankingTerm, withRanking } from "./ranking.ts";

const [TOKENS, VOCABULARY] = [8, 17];
const options = trainOptions.parse({
  architecture: {
    ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ intermediate_size: 24, max_position_embeddings: 32, rms_norm_eps: 1e-5 },
  },
  ...{ data: "none.jsonl", tokens: TOKENS, steps: 1, validation: 0, optimizer: { lr: 1e-9 } },
});

let subject: Subject;
beforeAll(async () => {
  subject = await newSubject(options, VOCABULARY);
  // Untrained weights are too small: the letters would almost tie.
  const random = seededRandom(3);
  const values = new Float32Array(subject.store.values.memory);
  for (let i = 0; i < values.length; i++) values[i]! += random() - 0.5;
});
afterAll(() => subject[Symbol.dispose]());

const listAt = (at: number): RankedList => ({
  ...{ at, labels: 3, letters: Int32Array.of(4, 9, 2, 7), ranks: Int32Array.of(2, 1, 4, 3) },
});

/** A row with labels at three positions, the first of which predicts a list's first letter. */
function row(seed: number): Batch {
  const random = seededRandom(seed);
  const ids = Int32Array.from({ length: TOKENS }, () => Math.floor(VOCABULARY * random()));
  const labels = Int32Array.from({ length: TOKENS }, (_, i) =>
    i >= 4 && i < 7 ? Math.floor(VOCABULARY * random()) : -1,
  );
  return { rows: 1, tokens: TOKENS, ids, labels, labelled: 3, samples: 1, lists: [listAt(4)] };
}

const both = (a: Batch, b: Batch): Batch => ({
  ...{ rows: 2, tokens: TOKENS, labelled: 6, samples: 2 },
  ids: Int32Array.from([...a.ids, ...b.ids]),
  labels: Int32Array.from([...a.labels, ...b.labels]),
  lists: [listAt(4), listAt(TOKENS + 4)],
});

const alone = (name: RankLossName, lambda = 2): RankingTerm => ({
  rule: rankLosses[name],
  lambda,
  languageModel: false,
});

/** A step's mean loss and gradient with a ranking loss, or with only the language model's. */
async function stepOf(batch: Batch, term?: RankingTerm) {
  const { trainee, store } = subject;
  const objective = term ? withRanking(trainee.objective, term) : trainee.objective;
  const shape = { rows: batch.rows, tokens: TOKENS, packed: false };
  using passes = await Passes.create({ ...trainee, objective }, store, shape, false);
  store.zeroGradients();
  const loss = (await passes.train(batch, 1 / batch.labelled)) / batch.labelled;
  const { nats } = await passes.evaluate(batch);
  expect(nats / batch.labelled).toBeCloseTo(loss, 5);
  return { loss, gradient: new Float32Array(store.gradients.memory).slice(0, store.trainedElements) };
}

const farthest = (a: Float32Array, b: ArrayLike<number>) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe.each(Object.keys(rankLosses) as RankLossName[])("%s on the letters' logits", (name) => {
  test("has the gradient of central differences", async () => {
    const { gradient } = await stepOf(row(1), alone(name));
    const norm = Math.hypot(...gradient);
    expect(norm).toBeGreaterThan(1e-3);
    const values = new Float32Array(subject.store.values.memory);
    const before = values.slice();
    // In the gradient's direction, the slope of the loss is the gradient's norm.
    const at = async (by: number) => {
      for (const [i, g] of gradient.entries()) values[i] = before[i]! + (by * g) / norm;
      const { loss } = await stepOf(row(1), alone(name));
      values.set(before);
      return loss;
    };
    const central = ((await at(1e-2)) - (await at(-1e-2))) / 2e-2;
    expect(Math.abs(central / norm - 1)).toBeLessThan(5e-3);
  });

  test("averages two lists, and adds its share to the language model's loss", async () => {
    const [a, b] = [await stepOf(row(1), alone(name)), await stepOf(row(2), alone(name))];
    const together = await stepOf(both(row(1), row(2)), alone(name));
    expect(together.loss).toBeCloseTo((a.loss + b.loss) / 2, 5);
    const mean = a.gradient.map((g, i) => (g + b.gradient[i]!) / 2);
    expect(farthest(together.gradient, mean)).toBeLessThan(1e-6);
    const [lm, joint] = [await stepOf(row(1)), await stepOf(row(1), { ...alone(name), languageModel: true })];
    expect(joint.loss).toBeCloseTo(lm.loss + a.loss, 5);
    expect(
      farthest(
        joint.gradient,
        lm.gradient.map((g, i) => g + a.gradient[i]!),
      ),
    ).toBeLessThan(1e-5);
  });
});

test("text after the list's place does not change the ranking loss by a bit", async () => {
  const changed = row(1);
  changed.ids.fill(3, 5);
  const [before, after] = [await stepOf(row(1), alone("ranknet")), await stepOf(changed, alone("ranknet"))];
  expect(after.loss).toBe(before.loss);
  const moved = await stepOf({ ...row(1), lists: [listAt(5)] }, alone("ranknet"));
  expect(moved.loss).not.toBe(before.loss);
});
