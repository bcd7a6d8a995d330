import { carve, Graph, pullback, type Tensor, tensorsToKeep } from "../graph/index.ts";
import type { Decoder } from "../models/decoder.ts";
import { settle } from "../nn/stream.ts";
import { attendCausally } from "./attend.ts";
import type { TrainableWeights, WeightInput } from "./trainable.ts";

/** Rows of tokens that run together, as numbers: a program is compiled for one shape. */
export interface Shape {
  readonly rows: number;
  readonly tokens: number;
  /** True if rows hold several documents. */
  readonly packed: boolean;
}

/** A model with weights as inputs, some of which are trained. */
export interface Trainee {
  readonly decoder: Decoder;
  readonly weights: TrainableWeights;
  readonly trained: (name: string) => boolean;
}

/**
 * Graphs of a step. Between layers the stream is one tensor [rows, tokens, hidden]. Inputs that are weights have the
 * weights' names. A gradient is the input `sum:NAME`, and the output `gradient:NAME`, which adds to it: both may be
 * bound to one buffer.
 */
export const sumName = (input: string): string => `sum:${input}`;
export const gradientName = (input: string): string => `gradient:${input}`;

/** `ids` i64 [rows, tokens], `lengths` i32 [rows] (tokens less one, of models that learn positions) → `y`. */
export function traceEmbedding({ decoder }: Trainee, shape: Shape): Graph {
  const g = new Graph();
  g.output("y", embed(g, decoder, shape));
  return g;
}

/** Like `traceEmbedding`, with `dy` → the gradients of its weights. */
export function traceEmbeddingBackward(trainee: Trainee, shape: Shape): Graph {
  const g = new Graph();
  const y = embed(g, trainee.decoder, shape);
  outputGradients(g, trainee, y, g.input("dy", "f32", y.shape), []);
  return g;
}

function embed(g: Graph, decoder: Decoder, { rows, tokens }: Shape): Tensor {
  return decoder.embed(g, g.input("ids", "i64", [rows, tokens]), () => g.input("lengths", "i32", [rows]));
}

/** A layer: `x` → `y`. */
export function traceLayer(trainee: Trainee, layer: number, shape: Shape): Graph {
  const g = new Graph();
  g.output("y", runLayer(g, trainee.decoder, layer, streamIn(g, trainee.decoder, shape), shape));
  return g;
}

/** The numbers of a model's layers. */
export const layersOf = ({ decoder }: Trainee): number[] => Array.from({ length: decoder.config.layers }, (_, l) => l);

/** A layer's two passes. */
export interface LayerPasses {
  /** `x` → `y`, and the kept tensors. */
  readonly forward: Graph;
  /** `x`, the kept tensors, `dy` → `dx`, if anything before the layer is trained, and the gradients of its weights. */
  readonly backward: Graph;
  /** Kept tensors, by their name as output of one graph and input of the other. */
  readonly kept: Readonly<Record<string, Tensor>>;
}

/** The options of a layer's backward pass. */
export interface BackwardOptions {
  /** True if anything before the layer is trained. */
  readonly before: boolean;
  /** Keeps nothing but the layer's input, from which the backward pass runs the layer once more. */
  readonly recompute: boolean;
}

export function traceLayerPasses(
  trainee: Trainee,
  layer: number,
  shape: Shape,
  { before, recompute }: BackwardOptions,
): LayerPasses {
  const g = new Graph();
  const x = streamIn(g, trainee.decoder, shape);
  const y = runLayer(g, trainee.decoder, layer, x, shape);
  const nodes = g.nodes.length;
  const [dx] = outputGradients(g, trainee, y, g.input("dy", "f32", y.shape), before ? [x] : []);
  const gradients = Object.fromEntries(g.outputs.map(({ name, tensor }) => [name, tensor]));
  const results = { ...gradients, ...(dx && { dx }) };
  const tensors = recompute ? [] : tensorsToKeep(g, nodes, Object.values(results));
  const kept = Object.fromEntries(tensors.map((tensor, i) => [`kept:${i}`, tensor]));
  return { forward: carve(g, {}, { y, ...kept }), backward: carve(g, kept, results), kept };
}

const streamIn = (g: Graph, { config }: Decoder, { rows, tokens }: Shape): Tensor =>
  g.input("x", "f32", [rows, tokens, config.hidden]);

function runLayer(g: Graph, decoder: Decoder, layer: number, x: Tensor, { packed }: Shape): Tensor {
  const block = decoder.block(g, layer);
  const { qkv, residual } = block.attentionIn({ branch: x });
  const attended = attendCausally(g, decoder, layer, qkv, packed);
  return settle(block.feedForward(block.attentionOut(attended, residual)));
}

/** Makes the gradients of the graph's trained weights its outputs; returns those of `others`. */
export function outputGradients(
  g: Graph,
  { weights, trained }: Trainee,
  of: Tensor,
  given: Tensor,
  others: readonly Tensor[],
): Tensor[] {
  const inputs = weights.inputsOf(g).filter((w) => isTrained(w, trained));
  if (inputs.length + others.length === 0) return [];
  const sums = inputs.map(({ input, tensor }) => g.input(sumName(input), "f32", tensor.shape));
  const wanted = [...others, ...inputs.map(({ tensor }) => tensor)];
  const gradients = pullback([{ of, gradient: given }], wanted, [...others.map(() => undefined), ...sums]);
  for (const [i, { input }] of inputs.entries()) g.output(gradientName(input), gradients[others.length + i]!);
  return gradients.slice(0, others.length);
}

/** True if an input is trained. `ParameterStore` ensures that its tensors are trained all or none. */
export const isTrained = ({ sizes }: WeightInput, trained: (name: string) => boolean): boolean =>
  trained(Object.keys(sizes)[0]!);
