import { expect, test } from "vitest";
import type { Batch } from "../data/batch.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { StepBuffers } from "./step-buffers.ts";

const stack: Partial<Trainee["stack"]> = {
  ...{ layers: 1, hidden: 2, stream: () => [1, 2, 2] },
  inputs: ({ rows, tokens, ids }) => ({ ids: { dtype: "i64", shape: [rows, tokens], values: ids } }),
};
const trainee = { stack, objective: { inputs: () => ({}) } } as unknown as Trainee;

const batch = (tokens: number): Batch => ({
  ...{ rows: 1, tokens, ids: new Int32Array(tokens), labels: new Int32Array(tokens), labelled: tokens, samples: 1 },
});

test("steps of one size share their views; a batch of another size has its own", () => {
  using buffers = new StepBuffers(trainee, { rows: 1, tokens: 2, packed: false }, 0);
  buffers.fill(batch(2), { before: 0, scale: 1 });
  const { last, parts } = buffers;
  buffers.fill(batch(2), { before: 0, scale: 1 });
  expect(buffers.last).toBe(last);
  expect(buffers.parts).toBe(parts);
  buffers.fill(batch(1), { before: 0, scale: 1 });
  expect(buffers.last).not.toBe(last);
  expect(buffers.parts).not.toBe(parts);
});
