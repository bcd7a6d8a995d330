import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { load, train } from "../../../index.ts";
import { farthest } from "../../../util/authors.testing.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { type TrainInput, trainOptions } from "../../options.ts";
import { newSubject, oldSubject, type Subject } from "../../subject/subject.ts";
import { PruningMask } from "./mask.ts";
import { neuronsOf } from "./neurons.ts";
import { sparseOptions } from "./options.ts";
import { shrinkModel } from "./shrink.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-neurons-"));
afterAll(() => rmSync(folder, { recursive: true }));
const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));

const [HIDDEN, INNER] = [16, 128];
const input = {
  architecture: {
    ...{ model_type: "llama", hidden_size: HIDDEN, intermediate_size: INNER, num_hidden_layers: 2 },
    ...{ num_attention_heads: 1, num_key_value_heads: 1, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  },
  ...{ data: text, tokens: 16, batch: 2, steps: 8, evaluateEvery: 8, evaluateBatches: 1, optimizer: { lr: 1e-2 } },
} satisfies TrainInput;
const trainedIn = (out: string, changed: Partial<TrainInput>) => train({ ...input, ...changed }, { out });
const innerOf = (out: string): unknown =>
  JSON.parse(readFileSync(path.join(out, "config.json"), "utf8")).intermediate_size;

/** Prunes half of the neurons; returns, among others, each layer's remaining neurons. */
async function pruned(score: "magnitude" | "random", opened?: Subject) {
  const subject = opened ?? (await newSubject(trainOptions.parse(input), 24));
  const { groups, weights } = neuronsOf(subject.store);
  const values = new Float32Array(subject.store.values.memory, 0, subject.store.trainedElements);
  const before = values.slice();
  const mask = new PruningMask(values.length, groups);
  const random = seededRandom(1);
  mask.prune(0.5, score === "random" ? random : (units, index) => units.magnitude(index, values));
  mask.apply(values);
  const remaining = groups.map(([neurons]) =>
    [...Array(INNER).keys()].filter((index) => mask.bytes[neurons!.first(index)] === 1),
  );
  return { subject, weights, mask, before, remaining };
}

test("a neuron's row of gate, row of up and column of down are pruned together, the least in each layer first", async () => {
  const { subject, weights, mask, before, remaining } = await pruned("magnitude");
  using _ = subject;
  expect(weights).toBe(2 * 3 * HIDDEN * INNER);
  for (const [layer, retained] of remaining.entries()) {
    expect(retained).toHaveLength(INNER / 2);
    const offset = (part: string) => subject.store.parameter(`blk.${layer}.ffn_${part}.weight`).offset;
    const placesOf = (neuron: number) =>
      Array.from({ length: HIDDEN }, (_, i) => [
        ...[
          offset("gate") + neuron * HIDDEN + i,
          offset("up") + neuron * HIDDEN + i,
          offset("down") + i * INNER + neuron,
        ],
      ]).flat();
    const norms = Array.from({ length: INNER }, (_, neuron) =>
      placesOf(neuron).reduce((sum, place) => sum + Math.abs(before[place]!), 0),
    );
    const dead = norms.filter((_, neuron) => !retained.includes(neuron));
    expect(Math.max(...dead)).toBeLessThan(Math.min(...retained.map((neuron) => norms[neuron]!)));
    for (let neuron = 0; neuron < INNER; neuron++)
      expect(placesOf(neuron).every((place) => mask.bytes[place] === Number(retained.includes(neuron)))).toBe(true);
  }
  const zeros = mask.bytes.reduce((sum, byte) => sum + 1 - byte, 0);
  expect(zeros).toBe(weights / 2);
});

test("random neurons are others", async () => {
  const [byNorm, byChance] = [await pruned("magnitude"), await pruned("random")];
  for (const { subject } of [byNorm, byChance]) subject[Symbol.dispose]();
  expect(byChance.remaining.map(({ length }) => length)).toEqual([INNER / 2, INNER / 2]);
  expect(byChance.remaining).not.toEqual(byNorm.remaining);
});

test("the model without its pruned neurons has the masked model's log-probabilities, and fewer FLOPs", async () => {
  const [dense, masked, cut] = ["dense", "masked", "cut"].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  await trainedIn(dense, {});
  const { architecture: _, ...further } = input;
  using subject = await oldSubject(trainOptions.parse({ ...further, model: dense }), openCheckpoint(dense));
  await pruned("magnitude", subject);
  await subject.write(masked);
  expect(await shrinkModel(masked, cut)).toEqual({ before: INNER, after: INNER / 2 });
  const read = async (model: string) => {
    const loaded = await load(model, { quant: "f32" });
    const { prompt, receipt } = await loaded.complete("It is the small", { maxTokens: 1, promptLogprobs: 20 });
    loaded.dispose();
    const logprobs = prompt!.flatMap(({ top = [] }) =>
      top.toSorted((a, b) => a.id - b.id).map(({ logprob }) => logprob),
    );
    return { logprobs, flops: receipt.flops.spent };
  };
  const [asDense, asMasked, asCut] = [await read(dense), await read(masked), await read(cut)];
  expect(asCut.logprobs.length).toBeGreaterThan(200);
  expect(farthest(asCut.logprobs, asMasked.logprobs)).toBeLessThan(1e-5);
  expect(farthest(asDense.logprobs, asMasked.logprobs)).toBeGreaterThan(1e-2);
  expect(asMasked.flops).toBe(asDense.flops);
  expect(asDense.flops - asCut.flops).toBeGreaterThan(0.2 * asDense.flops);
});

test("a run writes the model without pruned neurons, whose held-out loss is the run's", async () => {
  const neurons = path.join(folder, "neurons");
  const { loss } = await trainedIn(neurons, { method: "sparse:structure=neuron,sparsity=0.5" });
  expect(innerOf(neurons)).toBe(INNER / 2);
  const { architecture: _, ...further } = input;
  const again = { ...further, model: neurons, steps: 1, evaluateEvery: 1, optimizer: { lr: 1e-12 } };
  const { loss: own } = await train(again, { out: path.join(folder, "again") });
  expect(own.best).toBeCloseTo(loss.best, 5);
  const blocks = path.join(folder, "blocks");
  await trainedIn(blocks, { method: "sparse:sparsity=0.5" });
  expect(innerOf(blocks)).toBe(INNER);
});

test("a model without gated MLPs is refused, and so are blocks of neurons", async () => {
  const gpt2 = { model_type: "gpt2", n_layer: 1, n_head: 1, n_embd: 16, n_positions: 16 };
  const out = path.join(folder, "gpt2");
  await expect(trainedIn(out, { architecture: gpt2, method: "sparse:structure=neuron" })).rejects.toThrow(
    "expected a trained gated MLP without biases in every layer, but blk.0.ffn_gate is missing",
  );
  const faults = sparseOptions.safeParse({ structure: "neuron", block: "4x1" }).error!.issues;
  expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining("omit the options block and exclude")]);
});
