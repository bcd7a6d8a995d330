import { describe, expect, test } from "vitest";
import { sees } from "../../../graph/ops/causal-blocks.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Batch } from "../../data/batch.ts";
import { trainOptions } from "../../options.ts";
import { Passes } from "../../step/passes.ts";
import { newSubject } from "../../subject/subject.ts";

const TOKENS = 12;
const PREFIX = 5;
const VOCABULARY = 30;

const options = trainOptions.parse({
  architecture: {
    ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ intermediate_size: 24, max_position_embeddings: 32, rms_norm_eps: 1e-5 },
  },
  ...{ data: "none.txt", tokens: TOKENS },
});

const subject = await newSubject(options, VOCABULARY);
// Initial weights are so small that they would hide leaks; larger weights make every leak visible.
const random = seededRandom(1);
for (const parameter of subject.store.parameters.filter(({ shape }) => shape.length > 1)) {
  const values = subject.store.valuesOf(parameter);
  values.set(Float32Array.from(values, () => random() - 0.5));
}

const programs = (packed = false) =>
  Passes.create(subject.trainee, subject.store, { rows: 1, tokens: TOKENS, packed, prefixed: true }, false);
const [plain, packing] = [await programs(), await programs(true)];

const ids = Int32Array.from({ length: TOKENS }, (_, i) => (7 * i) % 23);
const prefixOf = (length: number) => Int32Array.from({ length: TOKENS }, (_, i) => Number(i < length));

/** A batch of one row, with a single label at `position`. */
function labelledAt(position: number, rest: Partial<Batch> = {}): Batch {
  const labels = new Int32Array(TOKENS).fill(-1);
  labels[position] = 3;
  const row = { rows: 1, tokens: TOKENS, samples: 1, labelled: 1, ids, labels, prefix: prefixOf(PREFIX) };
  return { ...row, ...rest };
}
const natsAt = async (position: number, rest: Partial<Batch> = {}): Promise<number> =>
  (await plain.evaluate(labelledAt(position, rest))).nats;

test("pairs of query and key: P² + (T − P)(T + P + 1) / 2", () => {
  const pairs = (tokens: number, prefix: number) => {
    const at = [...Array(tokens).keys()];
    const both = (q: number, k: number) => q < prefix && k < prefix;
    return at.flatMap((q) => at.filter((k) => sees(q, k, { heads: 1, kvHeads: 1, headSize: 1, scale: 1 }, both(q, k))))
      .length;
  };
  expect(pairs(10, 4)).toBe(61);
  for (const [t, p] of [
    [12, 5],
    [8, 8],
    [8, 1],
  ] as const)
    expect(pairs(t, p)).toBe(p ** 2 + ((t - p) * (t + p + 1)) / 2);
});

describe("what a position sees", () => {
  test("a later target changes nothing before it, to the last bit", async () => {
    for (const changed of [PREFIX, 8, TOKENS - 1]) {
      const other = ids.with(changed, 29);
      for (const position of [0, PREFIX - 1, changed - 1])
        expect(await natsAt(position, { ids: other })).toBe(await natsAt(position));
      expect(await natsAt(changed, { ids: other })).not.toBe(await natsAt(changed));
    }
  });

  test("the prefix's last token affects its first position, but not under the causal mask", async () => {
    const other = ids.with(PREFIX - 1, 29);
    expect(await natsAt(0, { ids: other })).not.toBe(await natsAt(0));
    const causal = { prefix: prefixOf(0) };
    expect(await natsAt(0, { ids: other, ...causal })).toBe(await natsAt(0, causal));
  });

  test("a prefix of one token is causal", async () => {
    for (const position of [0, 4, 11])
      expect(await natsAt(position, { prefix: prefixOf(1) })).toBe(await natsAt(position, { prefix: prefixOf(0) }));
  });

  test("two packed texts have the same scores as each alone", async () => {
    const first = { ids: [4, 8, 15, 16], prefix: 2 };
    const second = { ids: [23, 2, 9, 6, 1], prefix: 3 };
    const packed = {
      ids: Int32Array.from({ length: TOKENS }, (_, i) => [...first.ids, ...second.ids][i] ?? 0),
      documents: Int32Array.from({ length: TOKENS }, (_, i) => (i < 4 ? 0 : i < 9 ? 1 : -1)),
      prefix: Int32Array.from({ length: TOKENS }, (_, i) => Number(i < 2 || (i >= 4 && i < 7))),
    };
    for (const [text, from] of [
      [first, 0],
      [second, 4],
    ] as const)
      for (const at of text.ids.keys()) {
        const alone = Int32Array.from({ length: TOKENS }, (_, i) => text.ids[i] ?? 0);
        const together = (await packing.evaluate(labelledAt(from + at, packed))).nats;
        const apart = await natsAt(at, { ids: alone, prefix: prefixOf(text.prefix) });
        expect(Math.abs(together - apart), `${from + at}`).toBeLessThan(1e-5);
      }
  });
});

test("tokens that no label sees have no gradient, and the prefix's have one", async () => {
  subject.store.zeroGradients();
  // Position 6 has the last label; token 25 comes after it, and token 26 ends the prefix.
  const shown = ids.with(9, 25).with(PREFIX - 1, 26);
  const labels = labelledAt(6).labels.with(PREFIX - 1, 3);
  await plain.train(labelledAt(6, { ids: shown, labels, labelled: 2 }), 0.5);
  const { offset } = subject.store.parameter("token_embd.weight");
  const rowOf = (id: number) => new Float32Array(subject.store.gradients.memory, 4 * (offset + id * 32), 32);
  // The head is tied to the table, so only the part of the gradient that comes from the stream differs.
  const before = rowOf(25).slice();
  subject.store.zeroGradients();
  await plain.train(labelledAt(6, { ids: shown.with(9, 24), labels, labelled: 2 }), 0.5);
  expect(rowOf(25)).toEqual(before);
  subject.store.zeroGradients();
  await plain.train(labelledAt(6, { ids: shown.with(PREFIX - 1, 24), labels, labelled: 2 }), 0.5);
  expect(rowOf(25)).not.toEqual(before);
});
