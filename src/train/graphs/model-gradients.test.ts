import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { cohere2 } from "../../models/architectures/cohere2.ts";
import { deepSeekV2 } from "../../models/architectures/deepseek-v2.ts";
import { exaone4 } from "../../models/architectures/exaone4.ts";
import { falconH1 } from "../../models/architectures/falcon-h1.ts";
import { gemma2 } from "../../models/architectures/gemma2.ts";
import { gemma4 } from "../../models/architectures/gemma4.ts";
import { glm4Moe } from "../../models/architectures/glm4-moe.ts";
import { gptOss } from "../../models/architectures/gpt-oss.ts";
import { gpt2 } from "../../models/architectures/gpt2.ts";
import { graniteMoeHybrid } from "../../models/architectures/granitemoehybrid.ts";
import { jetmoe } from "../../models/architectures/jetmoe.ts";
import { lfm2 } from "../../models/architectures/lfm2.ts";
import { lfm2Moe } from "../../models/architectures/lfm2-moe.ts";
import { llama } from "../../models/architectures/llama.ts";
import { llama4 } from "../../models/architectures/llama4.ts";
import { mambaArchitecture } from "../../models/architectures/mamba.ts";
import { mamba2Architecture } from "../../models/architectures/mamba2.ts";
import { mixtral } from "../../models/architectures/mixtral.ts";
import { nemotronH } from "../../models/architectures/nemotron-h.ts";
import { qwen2 } from "../../models/architectures/qwen2.ts";
import { qwen35 } from "../../models/architectures/qwen3-5.ts";
import { qwen3Next } from "../../models/architectures/qwen3-next.ts";
import { rnnArchitecture } from "../../models/architectures/rnn.ts";
import type { Architecture } from "../../models/decoder/decoder.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { Batch } from "../data/batch.ts";
import { ParameterStore } from "../step/parameters.ts";
import { Passes, weightsOf } from "../step/passes.ts";
import { languageModelOf } from "./decoder-stack.ts";
import type { Trainee } from "./graphs.ts";
import { TracedWeights } from "./traced-weights.ts";

/** PyTorch's results in float64: tools/reference/gradients.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));

interface Reference {
  readonly rows: readonly number[][];
  readonly labels: readonly number[][];
  readonly loss: number;
}

const referenceOf = (folder: string): Reference =>
  JSON.parse(readFileSync(path.join(folder, "gradients.json"), "utf8")) as Reference;

function batchOf({ rows, labels }: Reference): Batch {
  return {
    rows: rows.length,
    tokens: rows[0]!.length,
    ids: Int32Array.from(rows.flat()),
    labels: Int32Array.from(labels.flat()),
    labelled: labels.flat().filter((label) => label >= 0).length,
    samples: rows.length,
  };
}

/** Opens a checkpoint's model with all or some weights trained, and loads their values. */
function open(folder: string, architecture: Architecture, trained: (name: string) => boolean = () => true) {
  const checkpoint = openCheckpoint(folder);
  const names = architecture.tensors(checkpoint);
  const weights = new TracedWeights(checkpoint.config, (name) => new Part(checkpoint, names, name).exists);
  const trainee: Trainee = { ...languageModelOf(architecture.open(weights)), weights, trained };
  const store = new ParameterStore(weightsOf(trainee), trainee.trained);
  for (const p of store.parameters) store.valuesOf(p).set(new Part(checkpoint, names, p.name, p.shape).floats());
  return { trainee, store, names };
}

/** Removes the offsets that names add to some stored tensors; gradients have no offset. */
const plain =
  (names: Names): Names =>
  (canonical) => {
    const stored = names(canonical);
    if (typeof stored === "string") return stored;
    const { plus: _, ...rest } = stored;
    return rest;
  };

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((total, v) => total + v * v, 0));

/**
 * The norm of the difference, relative to the norm of the expected values, which may be zero: a key's bias never
 * changes attention's output.
 */
const apart = (got: ArrayLike<number>, expected: Float32Array): number =>
  norm(expected.map((v, i) => got[i]! - v)) / Math.max(norm(expected), 1e-4);

test.each([
  { name: "deepseek_v2-groups", architecture: deepSeekV2 },
  { name: "glm4_moe-air", architecture: glm4Moe },
  { name: "cohere2", architecture: cohere2 },
  { name: "exaone4", architecture: exaone4 },
  { name: "gemma4-experts", architecture: gemma4 },
  { name: "gemma4-e2b", architecture: gemma4 },
  { name: "falcon_h1-before", architecture: falconH1 },
  { name: "gpt2", architecture: gpt2 },
  { name: "gpt_oss-limits", architecture: gptOss },
  { name: "granitemoehybrid-dense", architecture: graniteMoeHybrid },
  { name: "jetmoe", architecture: jetmoe },
  { name: "lfm2", architecture: lfm2 },
  { name: "llama-biased", architecture: llama },
  { name: "llama4-chunks", architecture: llama4 },
  { name: "mamba", architecture: mambaArchitecture },
  { name: "mamba2-groups", architecture: mamba2Architecture },
  { name: "mixtral", architecture: mixtral },
  { name: "rnn", architecture: rnnArchitecture },
  { name: "qwen2", architecture: qwen2 },
  { name: "nemotron_h", architecture: nemotronH },
  { name: "nemotron_h-experts", architecture: nemotronH },
  { name: "qwen3_next", architecture: qwen3Next },
  { name: "qwen3_5", architecture: qwen35 },
  { name: "gemma2", architecture: gemma2 },
])("$name: loss and gradients equal PyTorch's, with products stored or recomputed", async ({ name, architecture }) => {
  const folder = fixture(name);
  const reference = referenceOf(folder);
  const { trainee, store, names } = open(folder, architecture);
  const batch = batchOf(reference);
  const { labelled } = batch;
  const shape = { rows: batch.rows, tokens: batch.tokens, packed: false };
  using keeping = await Passes.create(trainee, store, shape, false);
  using computing = await Passes.create(trainee, store, shape, true);
  // Two passes at half the weight: gradients accumulate.
  await keeping.train(batch, 0.5 / labelled);
  const nats = await computing.train(batch, 0.5 / labelled);
  expect(keeping.takeCost().backward).toBeLessThan(computing.takeCost().backward);
  expect(Math.abs(nats / labelled - reference.loss)).toBeLessThan(1e-5);
  expectGradients(folder, store, names);
  store[Symbol.dispose]();
});

test.each([3, 4, 6])("layers from %d on have the same gradients alone as among all", async (first) => {
  const isDeep = (name: string) => Number(/^blk\.(\d+)/.exec(name)?.[1] ?? 0) >= first;
  const folder = fixture("gemma4-e2b");
  const { trainee, store, names } = open(folder, gemma4, isDeep);
  const batch = batchOf(referenceOf(folder));
  using passes = await Passes.create(trainee, store, { rows: batch.rows, tokens: batch.tokens, packed: false }, true);
  await passes.train(batch, 1 / batch.labelled);
  expectGradients(folder, store, names, isDeep);
  store[Symbol.dispose]();
});

test("the bias that selects experts has no gradient, and their routers have one", async () => {
  const folder = fixture("lfm2_moe");
  const { trainee, store } = open(folder, lfm2Moe);
  const batch = batchOf(referenceOf(fixture("lfm2")));
  using passes = await Passes.create(trainee, store, { rows: batch.rows, tokens: batch.tokens, packed: false }, false);
  await passes.train(batch, 1 / batch.labelled);
  const gradients = new Float32Array(store.gradients.memory);
  const normOf = (name: string) => {
    const { shape, offset } = store.parameter(name);
    return norm(gradients.subarray(offset, offset + shape.reduce((a, b) => a * b, 1)));
  };
  expect(normOf("blk.1.exp_probs_b.bias")).toBe(0);
  expect(normOf("blk.1.ffn_gate_inp.weight")).toBeGreaterThan(1e-4);
  expect(normOf("blk.1.shortconv.conv.weight")).toBeGreaterThan(1e-4);
  store[Symbol.dispose]();
});

test("two documents in one row have the same gradients as in separate rows", async () => {
  const folder = fixture("llama-biased");
  const { trainee, store, names } = open(folder, llama);
  const { rows, tokens, ...rest } = batchOf(referenceOf(folder));
  const documents = Int32Array.from({ length: rows * tokens }, (_, i) => Math.floor(i / tokens));
  const batch = { ...rest, rows: 1, tokens: rows * tokens, documents };
  using passes = await Passes.create(trainee, store, { rows: 1, tokens: batch.tokens, packed: true }, false);
  await passes.train(batch, 1 / batch.labelled);
  expectGradients(folder, store, names);
  store[Symbol.dispose]();
});

function expectGradients(
  folder: string,
  store: ParameterStore,
  names: Names,
  trained: (name: string) => boolean = () => true,
): void {
  const expected = openCheckpoint(path.join(folder, "gradients.safetensors"));
  const gradients = new Float32Array(store.gradients.memory);
  for (const { name, shape, offset } of store.parameters.filter((parameter) => trained(parameter.name))) {
    const torch = new Part(expected, plain(names), name, shape).floats();
    expect(apart(gradients.subarray(offset, offset + torch.length), torch), name).toBeLessThan(1e-4);
  }
}
