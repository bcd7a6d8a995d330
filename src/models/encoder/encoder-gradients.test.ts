import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { crossEntropy, Graph, gradient, sum, sym, times } from "../../graph/index.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { type NdArray, ndarray } from "../../graph/ndarray.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { EncoderArchitecture } from "../architecture.ts";
import { bert } from "../architectures/bert.ts";
import { modernbert } from "../architectures/modernbert.ts";
import { mpnet } from "../architectures/mpnet.ts";
import { InputWeights } from "../tensors/input-weights.testing.ts";

/** PyTorch's results in float64: tools/reference/gradients.py. */
interface Reference {
  readonly rows: readonly number[][];
  readonly labels: readonly number[][];
  readonly types?: readonly number[][];
  readonly loss: number;
}

/** The reference's texts as one padded batch, by the graph's input names. */
function feedsOf({ rows, labels, types }: Reference): Record<string, NdArray> {
  const tokens = Math.max(...rows.map((row) => row.length));
  const padded = (lists: readonly number[][], filler: number) =>
    ndarray(
      [rows.length, tokens],
      lists.flatMap((list) => [...list, ...new Array<number>(tokens - list.length).fill(filler)]),
    );
  const labelled = labels.flat().filter((label) => label >= 0).length;
  const each = (f: (label: number) => number) => labels.map((list) => list.map(f));
  return {
    ids: padded(rows, 1),
    mask: padded(
      rows.map((row) => row.map(() => 1)),
      0,
    ),
    ...(types && { types: padded(types, 0) }),
    targets: padded(
      each((label) => Math.max(0, label)),
      0,
    ),
    weights: padded(
      each((label) => (label < 0 ? 0 : 1 / labelled)),
      0,
    ),
  };
}

/** The graph of a masked language model's loss, with its gradient for each weight. */
function trace(architecture: EncoderArchitecture, source: InputWeights) {
  const encoder = architecture.open(source);
  const g = new Graph();
  const shape = [sym("batch"), sym("tokens")];
  const [ids, mask] = [g.input("ids", "i64", shape), g.input("mask", "i32", shape)];
  const types = encoder.config.types > 0 ? g.input("types", "i64", shape) : undefined;
  const logits = encoder.predict(g, encoder.hidden(g, { ids, mask, types }));
  const nats = crossEntropy(logits, g.input("targets", "i64", shape));
  const loss = sum(sum(times(nats, g.input("weights", "f32", shape)), 0), 0);
  g.output("loss", loss);
  const weights = g.inputs.filter(({ name }) => name in source.views);
  const gradients = gradient(
    loss,
    weights.map(({ tensor }) => tensor),
  );
  for (const [i, { name }] of weights.entries()) g.output(name, gradients[i]!);
  return { graph: g, names: weights.map(({ name }) => name) };
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((total, v) => total + v * v, 0));

/**
 * The norm of the difference, divided by the norm of the expected values, which may be zero: a key's bias never changes
 * attention's output.
 */
const apart = (got: ArrayLike<number>, expected: Float32Array): number =>
  norm(expected.map((v, i) => got[i]! - v)) / Math.max(norm(expected), 1e-4);

test.each([
  { name: "bert-mlm", architecture: bert },
  { name: "modernbert-mlm", architecture: modernbert },
  { name: "mpnet-mlm", architecture: mpnet },
])("$name: loss and gradients equal PyTorch's", ({ name, architecture }) => {
  const folder = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const reference: Reference = JSON.parse(readFileSync(path.join(folder, "gradients.json"), "utf8"));
  const checkpoint = openCheckpoint(folder);
  const stored = architecture.tensors(checkpoint);
  using source = new InputWeights(checkpoint, stored);
  const { graph, names } = trace(architecture, source);
  const feeds = feedsOf(reference);
  for (const [input, view] of Object.entries(source.views))
    feeds[input] = ndarray(view.shape, new Float32Array(view.buffer.memory));
  for (const { name: constant, tensor, data } of graph.constants)
    if (data.kind === "memory") feeds[constant] = valuesOf(tensor.dtype, tensor.shape.map(Number), data.bytes);
  const [batch, tokens] = feeds["ids"]!.shape as [number, number];
  const kept = reference.rows.flat().length;
  const values = interpret(graph, feeds, { batch, tokens, kept });
  expect(Math.abs(values["loss"]!.data[0]! - reference.loss)).toBeLessThan(1e-6);
  const expected = openCheckpoint(path.join(folder, "gradients.safetensors"));
  for (const joined of names) {
    let at = 0;
    for (const canonical of joined.split("+")) {
      const torch = new Part(expected, stored, canonical).floats();
      const got = values[joined]!.data.subarray(at, at + torch.length);
      expect(apart(got, torch), canonical).toBeLessThan(1e-4);
      at += torch.length;
    }
    expect(at).toBe(values[joined]!.data.length);
  }
});

function valuesOf(dtype: string, shape: number[], bytes: Uint8Array): NdArray {
  const memory = bytes.slice().buffer;
  return ndarray(shape, dtype === "i64" ? [...new BigInt64Array(memory)].map(Number) : new Float32Array(memory));
}
