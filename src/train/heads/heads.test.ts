import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { bert } from "../../models/architectures/bert.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { Batch } from "../data/batch.ts";
import { pairBatch } from "../data/pairs.ts";
import { inRows } from "../data/text-rows.ts";
import { hasTensor, textModelOf } from "../graphs/encoder-model.ts";
import { EncoderStack } from "../graphs/encoder-stack.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import { backwardFlops } from "../session/receipt.ts";
import { Passes } from "../step/passes.ts";
import { openTrainee } from "../subject/open-trainee.ts";
import type { TextHeadKind } from "./settings.ts";

/** PyTorch's results in float64: tools/reference/heads.py. */
const folder = fileURLToPath(new URL("../../models/fixtures/bert", import.meta.url));
const reference: {
  readonly rows: readonly number[][];
  readonly queries: number;
  readonly classes: readonly number[];
  readonly losses: Readonly<Record<TextHeadKind, number>>;
} = JSON.parse(readFileSync(path.join(folder, "heads.json"), "utf8"));

const rows = reference.rows.map((row) => Int32Array.from(row));
const queries = rows.slice(0, reference.queries);

const batches: Record<TextHeadKind, Batch> = {
  classes: {
    ...inRows(queries),
    labels: Int32Array.from(reference.classes),
    ...{ labelled: queries.length, samples: queries.length },
  },
  // The last query also has a document that answers no query.
  embedding: pairBatch(
    queries.map((query, i) => ({
      texts: [query, rows[queries.length + i]!, ...(i === queries.length - 1 ? rows.slice(2 * queries.length) : [])],
    })),
  ),
};

async function open(head: TextHeadKind) {
  const checkpoint = openCheckpoint(folder);
  const weights = new TracedWeights(checkpoint.config, await hasTensor(checkpoint));
  const encoder = bert.open(weights);
  const opened = openTrainee({ ...textModelOf(encoder, head, "mean"), weights }, {});
  const names = bert.tensors(checkpoint);
  for (const p of opened.store.parameters)
    opened.store.valuesOf(p).set(new Part(checkpoint, names, p.name, p.shape).floats());
  return { ...opened, names, encoder };
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((total, v) => total + v * v, 0));

test.each((["classes", "embedding"] as const).flatMap((head) => [1024, 12].map((tokens) => [head, tokens] as const)))(
  "%s: loss and gradients equal PyTorch's, in batches of any size and in parts of %i tokens",
  async (head, partTokens) => {
    using opened = await open(head);
    const { store, names, encoder } = opened;
    const trainee = { ...opened.trainee, stack: new EncoderStack(encoder, partTokens) };
    const batch = batches[head];
    // Programs and buffers serve batches up to this size.
    const shape = { rows: 2 * batch.rows, tokens: 2 * batch.tokens, packed: false };
    using passes = await Passes.create(trainee, store, shape, false);
    const small = { ...inRows(rows.slice(0, 2)), labels: Int32Array.of(0), labelled: 1, samples: 1 };
    if (head === "embedding") await passes.train(small, 1);
    store.zeroGradients();
    passes.takeCost();
    const nats = await passes.train(batch, 1 / batch.labelled);
    expect(Math.abs(nats / batch.labelled - reference.losses[head])).toBeLessThan(1e-5);
    expect(passes.takeCost().backward).toBe(backwardFlops(trainee, shape, false)(batch));
    const expected = openCheckpoint(path.join(folder, `gradients-${head}.safetensors`));
    const gradients = new Float32Array(store.gradients.memory);
    for (const { name, shape: size, offset } of store.parameters) {
      const torch = new Part(expected, names, name, size).floats();
      const apart = norm(torch.map((v, i) => v - gradients[offset + i]!)) / Math.max(norm(torch), 1e-2);
      expect(apart, name).toBeLessThan(1e-4);
    }
  },
);

test("a text's class is right if no other scores higher", async () => {
  using opened = await open("classes");
  const batch = batches.classes;
  using passes = await Passes.create(opened.trainee, opened.store, { ...batch, packed: false }, false);
  let correct = 0;
  for (const label of [0, 1, 2]) {
    const judged = await passes.evaluate({ ...batch, labels: new Int32Array(batch.rows).fill(label) });
    correct += judged.correct!;
  }
  expect(correct).toBe(batch.rows);
});
