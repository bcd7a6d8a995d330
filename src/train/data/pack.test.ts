import { expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import type { Batch, TrainingData } from "./batch.ts";
import { sampleData } from "./pack.ts";
import type { Sample } from "./samples.ts";

/** A sample of a given length that consists of its own number. */
const sample = (number: number, length: number): Sample => ({
  ids: new Int32Array(length).fill(number),
  labels: new Int32Array(length).fill(number),
});
const random = seededRandom(7);
const samples = Array.from({ length: 50 }, (_, i) => sample(i + 1, 1 + Math.floor(random() * 16)));
const epochOf = (data: TrainingData, epoch = 0): Batch[] =>
  Array.from({ length: data.batches }, (_, i) => data.batch(epoch * data.batches + i));
/** How many positions each sample fills in an epoch. */
const positions = (batches: readonly Batch[]) => {
  const counts = new Map<number, number>();
  for (const { ids } of batches) for (const id of ids) if (id > 0) counts.set(id, (counts.get(id) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => a - b));
};
const whole = new Map(samples.map(({ ids }) => [ids[0]!, ids.length]));

test.each([true, false])(
  "packing: %s, every sample occurs once an epoch, whole, in a new order each time",
  (packing) => {
    const data = sampleData(samples, { packing, rows: 4, tokens: 16, seed: 3 });
    const [first, second] = [epochOf(data), epochOf(data, 1)];
    expect(positions(first)).toEqual(whole);
    expect(positions(second)).toEqual(whole);
    expect(second.map(({ ids }) => ids.join())).not.toEqual(first.map(({ ids }) => ids.join()));
    const count = (of: (batch: Batch) => number) => first.reduce((sum, batch) => sum + of(batch), 0);
    expect(count((batch) => batch.samples)).toBe(50);
    expect(count((batch) => batch.labelled)).toBe(samples.reduce((sum, { ids }) => sum + ids.length, 0));
  },
);

test("a batch depends only on its index", () => {
  const make = () => sampleData(samples, { packing: true, rows: 2, tokens: 16, seed: 3 });
  const data = make();
  for (const index of [5, 40, 0, 5]) expect(make().batch(index)).toEqual(data.batch(index));
});

test("packed samples lie side by side, with indices that separate them; the rest of a row belongs to none", () => {
  const data = sampleData([sample(1, 3), sample(2, 5), sample(3, 4)], { packing: true, rows: 2, tokens: 8 });
  const { ids, labels, documents, labelled } = data.batch(0);
  expect([...ids]).toEqual([2, 2, 2, 2, 2, 1, 1, 1, 3, 3, 3, 3, 0, 0, 0, 0]);
  expect([...labels]).toEqual([2, 2, 2, 2, 2, 1, 1, 1, 3, 3, 3, 3, -1, -1, -1, -1]);
  expect([...documents!]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, -1, -1, -1, -1]);
  expect(labelled).toBe(12);
});

test("packing fills rows", () => {
  const data = sampleData(samples, { packing: true, rows: 1, tokens: 16, seed: 0 });
  const tokens = samples.reduce((sum, { ids }) => sum + ids.length, 0);
  expect(tokens / (16 * data.batches)).toBeGreaterThan(0.95);
});

test("rows that pad the last batch hold no sample and no label", () => {
  const data = sampleData([sample(1, 2), sample(2, 2), sample(3, 2)], { packing: false, rows: 2, tokens: 4 });
  expect(data.batches).toBe(2);
  const { samples, labelled, rows, ids } = data.batch(1);
  expect({ samples, labelled, rows, ids: [...ids] }).toEqual({
    samples: 1,
    labelled: 2,
    rows: 2,
    ids: [3, 3, 0, 0, 0, 0, 0, 0],
  });
});

test("long samples and samples without a label are dropped and counted", () => {
  const blank = { ids: Int32Array.of(9, 9), labels: Int32Array.of(-1, -1) };
  const data = sampleData([sample(1, 4), sample(2, 5), blank, sample(3, 6)], { packing: false, rows: 1, tokens: 4 });
  expect(data.dropped).toEqual({ long: 2, unlabelled: 1 });
  expect(data.samples).toBe(1);
});

test.each([
  [[], "there are no samples"],
  [
    [{ ids: Int32Array.of(1), labels: Int32Array.of(-1) }],
    "none of the 1 samples has a token to predict: all labels are masked",
  ],
  [[sample(1, 9), sample(2, 7)], "all 2 samples are longer than a row of 4 tokens; the shortest has 7"],
])("nothing to train on: one sentence", (samples, sentence) => {
  expect(() => sampleData(samples, { packing: false, rows: 1, tokens: 4 })).toThrow(sentence);
});
