import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { sampleData } from "../data/pack.ts";
import type { Sample } from "../data/samples.ts";
import { trainOptions } from "../options.ts";
import { Passes } from "../step/passes.ts";
import { newSubject } from "../subject/subject.ts";
import { TrainingRun } from "./run.ts";

const TOKENS = 12;
const VOCABULARY = 17;
const options = trainOptions.parse({
  architecture: {
    ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ intermediate_size: 24, max_position_embeddings: 32, rms_norm_eps: 1e-5 },
  },
  ...{ data: "none.jsonl", tokens: TOKENS, steps: 1, validation: 0, optimizer: { lr: 1e-9 } },
});

const random = seededRandom(5);
const below = (n: number) => Math.floor(random() * n);
/** 64 samples of 1 to 12 tokens, some of which have labels. */
const samples = Array.from({ length: 64 }, (): Sample => {
  const ids = Int32Array.from({ length: 1 + below(TOKENS) }, () => below(VOCABULARY));
  return { ids, labels: ids.map((_, i) => (i === ids.length - 1 || random() < 0.4 ? below(VOCABULARY) : -1)) };
});

describe("one effective batch of 64 samples", () => {
  /** A step's whole gradient, its loss and its norm. */
  async function stepOf(microBatches: number) {
    const training = sampleData(samples, { packing: false, rows: Math.ceil(64 / microBatches), tokens: TOKENS });
    const run = { ...options, batch: training.rows, accumulate: microBatches };
    using opened = await TrainingRun.open(run, await newSubject(run, VOCABULARY), {
      ...{ training, heldOut: undefined, hash: "" },
    });
    const { loss, norm } = await opened.step();
    return { loss, norm, gradient: new Float32Array(opened.stage.store.gradients.memory).slice() };
  }

  /** The gradient if every micro-batch had equal weight, whatever its number of labels. */
  async function meanOfMeans(microBatches: number): Promise<Float32Array> {
    const training = sampleData(samples, { packing: false, rows: Math.ceil(64 / microBatches), tokens: TOKENS });
    using subject = await newSubject(options, VOCABULARY);
    const shape = { rows: training.rows, tokens: TOKENS, packed: false };
    using passes = await Passes.create(subject.trainee, subject.store, shape, false);
    for (let i = 0; i < microBatches; i++) {
      const batch = training.batch(i);
      await passes.train(batch, 1 / (microBatches * batch.labelled));
    }
    return new Float32Array(subject.store.gradients.memory).slice();
  }

  const farthest = (a: Float32Array, b: Float32Array) =>
    a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

  test("its gradient is the same in 1, 2, 7 and 64 micro-batches, unlike a mean of means", async () => {
    const whole = await stepOf(1);
    expect(whole.norm).toBeGreaterThan(0.1);
    for (const parts of [2, 7, 64]) {
      const { loss, norm, gradient } = await stepOf(parts);
      expect(farthest(gradient, whole.gradient), `${parts}`).toBeLessThan(1e-6);
      expect(Math.abs(loss - whole.loss), `${parts}`).toBeLessThan(1e-6);
      expect(Math.abs(norm - whole.norm), `${parts}`).toBeLessThan(1e-6);
    }
    expect(farthest(await meanOfMeans(7), whole.gradient)).toBeGreaterThan(1e-3);
  });
});

describe("samples packed into a row", () => {
  const short: Sample = { ids: Int32Array.of(5, 9, 2, 6, 5), labels: Int32Array.of(9, 2, 6, 5, 3) };

  /** A longer sample, placed first in its row, whose only label depends only on its first token. */
  const longer = (...others: number[]): Sample => {
    const ids = Int32Array.of(7, ...others);
    return { ids, labels: ids.map((_, i) => (i === 0 ? 2 : -1)) };
  };

  /** The nats of all labels. */
  async function natsOf(all: readonly Sample[], packing: boolean): Promise<number> {
    using subject = await newSubject(options, VOCABULARY);
    const training = sampleData(all, { packing, rows: packing ? 1 : all.length, tokens: TOKENS });
    const shape = { rows: training.rows, tokens: TOKENS, packed: packing };
    using passes = await Passes.create(subject.trainee, subject.store, shape, false);
    expect(training.batches).toBe(1);
    return (await passes.evaluate(training.batch(0))).nats;
  }

  test("have the same losses as in rows of their own", async () => {
    const all = [longer(1, 4, 1, 5, 9), short];
    expect(Math.abs((await natsOf(all, true)) - (await natsOf(all, false)))).toBeLessThan(1e-5);
  });

  test("do not see each other: beside another sample, the loss is the same to the last bit", async () => {
    const [one, other] = [longer(1, 4, 1, 5, 9), longer(8, 8, 0, 3, 3)];
    expect(await natsOf([one, short], true)).toBe(await natsOf([other, short], true));
  });
});
