import {
  carve,
  divide,
  Graph,
  plus,
  pullback,
  type Tensor,
  type TensorGradient,
  tensorsToKeep,
} from "../../graph/index.ts";
import type { Objective } from "../heads/objective.ts";
import { type Noise, noisyEmbeddings } from "./noise.ts";
import type { Shape, Stack } from "./stack.ts";
import type { TrainableWeights, WeightInput } from "./trainable.ts";

/** A model whose weights are graph inputs, some of them trained. */
export interface Trainee {
  readonly stack: Stack;
  readonly objective: Objective;
  /** Losses at layers before the last, if any. */
  readonly exits?: ExitLosses;
  /**
   * A loss on each router's logits [rows, tokens, experts], f32 [], added to the step's loss: a mean weighted by
   * `weights` f32 [rows, tokens]. `overStep` averages the batch's expert shares [experts] over the step's batches so
   * far.
   */
  readonly routerLoss?: (logits: Tensor, weights: Tensor, overStep: (shares: Tensor) => Tensor) => Tensor;
  readonly noise?: Noise | undefined;
  readonly weights: TrainableWeights;
  readonly trained: (name: string) => boolean;
}

/** Losses at layers before the last. The shares divide each label's loss among the heads. */
export interface ExitLosses {
  readonly at: readonly ExitLoss[];
  /** The last layer's share of each label's loss. */
  readonly last: number;
}

/** A head at a layer before the last, with its loss. */
export interface ExitLoss {
  /** The number of layers that run before the head. */
  readonly layer: number;
  readonly share: number;
  readonly objective: Objective;
}

/**
 * Between a step's graphs, the stream is a single tensor. Weight inputs have the weights' names. The output
 * `gradient:NAME` is the input `sum:NAME` plus the batch's gradient; the two may be bound to the same buffer.
 */
export const sumName = (input: string): string => `sum:${input}`;
export const gradientName = (input: string): string => `gradient:${input}`;

/**
 * A router's expert shares, summed over the step's batches: an input before a batch and an output after it, which may
 * be bound to the same buffer.
 */
const SHARES = "shares:";
export const sharesAfter = (input: string): string => `after ${input}`;

/** Maps a batch's inputs to `y`, the stream before the first layer, and the carried tensors. */
export function traceEmbedding(trainee: Trainee, shape: Shape): Graph {
  const g = new Graph();
  g.output("y", embedded(g, trainee, shape));
  return withCarried(g, trainee.stack);
}

function embedded(g: Graph, { stack, noise }: Trainee, shape: Shape): Tensor {
  const plain = stack.embed(g, shape);
  return noise && noise.alpha > 0 ? noisyEmbeddings(g, plain, noise, shape) : plain;
}

/** Like `traceEmbedding`, but also maps `dy` to the gradients of the embedding's weights. */
export function traceEmbeddingBackward(trainee: Trainee, shape: Shape): Graph {
  const g = new Graph();
  const y = embedded(g, trainee, shape);
  outputGradients(g, trainee, y, g.input("dy", "f32", y.shape), [], carriedGradients(trainee, g));
  return g;
}

/** Maps a layer's input `x` to its output `y`, with the carried tensors. */
export function traceLayer({ stack }: Trainee, layer: number, shape: Shape): Graph {
  const g = new Graph();
  g.output("y", stack.layer(g, layer, streamIn(g, stack, shape), shape));
  return withCarried(g, stack);
}

function withCarried(g: Graph, stack: Stack): Graph {
  const carried = stack.carried?.(g);
  if (carried) g.output("carriedOut", carried);
  return g;
}

/** The gradient with respect to the tensors that a graph's layer passes to the next layer. */
function carriedGradients({ stack }: Trainee, g: Graph): TensorGradient[] {
  const carried = stack.carried?.(g);
  return carried ? [{ of: carried, gradient: g.input("dCarriedOut", "f32", carried.shape) }] : [];
}

/** The indices of a model's layers. */
export const layersOf = ({ stack }: Trainee): number[] => Array.from({ length: stack.layers }, (_, l) => l);

/** A layer's two passes. */
export interface LayerPasses {
  /** Maps `x` to `y`, the carried tensors, and the retained tensors. */
  readonly forward: Graph;
  /**
   * Maps `x`, the retained tensors and `dy` to the gradients of the weights and, if anything before the layer is
   * trained, `dx`; likewise for the carried tensors.
   */
  readonly backward: Graph;
  /** Retained tensors by name: an output of the forward graph and an input of the backward graph. */
  readonly kept: Readonly<Record<string, Tensor>>;
  /** Routers' expert shares summed over a step, by input name of the backward graph; empty if none are summed. */
  readonly shares: Readonly<Record<string, Tensor>>;
}

/** Options of a layer's backward pass. */
export interface BackwardOptions {
  /** True if anything before the layer is trained. */
  readonly before: boolean;
  /** Retains only the layer's input, from which the backward pass runs the layer again. */
  readonly recompute: boolean;
}

export function traceLayerPasses(
  trainee: Trainee,
  layer: number,
  shape: Shape,
  { before, recompute }: BackwardOptions,
): LayerPasses {
  const g = new Graph();
  const x = streamIn(g, trainee.stack, shape);
  const y = trainee.stack.layer(g, layer, x, shape);
  const nodes = g.nodes.length;
  const dy = g.input("dy", "f32", y.shape);
  const carried = trainee.stack.carried?.(g);
  const along = g.inputs.find(({ name }) => name === "carried")?.tensor;
  const more = [...routerLosses(trainee, g), ...carriedGradients(trainee, g)];
  const [dx, dCarried] = outputGradients(g, trainee, y, dy, before ? [x, ...(along ? [along] : [])] : [], more);
  const gradients = Object.fromEntries(g.outputs.map(({ name, tensor }) => [name, tensor]));
  const results = { ...gradients, ...(dx && { dx }), ...(dCarried && { dCarried }) };
  const tensors = recompute ? [] : tensorsToKeep(g, nodes, Object.values(results));
  const saved = Object.fromEntries(tensors.map((tensor, i) => [`kept:${i}`, tensor]));
  const summed = g.inputs.filter(({ name }) => name.startsWith(SHARES)).map(({ name, tensor }) => [name, tensor]);
  const shares: Readonly<Record<string, Tensor>> = Object.fromEntries(summed);
  return {
    forward: carve(g, {}, { y, ...(carried && { carriedOut: carried }), ...saved }),
    backward: carve(g, saved, results),
    kept: saved,
    shares,
  };
}

/** The gradients of a layer's router losses, at the scale of the label loss. */
function routerLosses({ stack, routerLoss }: Trainee, g: Graph): TensorGradient[] {
  const all = stack.routers?.(g) ?? [];
  if (!routerLoss || all.length === 0) return [];
  const weights = g.input("routed", "f32", all[0]!.shape.slice(0, -1));
  const gradient = g.input("lossScale", "f32", []);
  let batches: Tensor | undefined;
  return all.map((logits, router) => {
    const overStep = (shares: Tensor): Tensor => {
      const name = `${SHARES}${router}`;
      const sum = plus(g.input(name, "f32", shares.shape), shares);
      g.output(sharesAfter(name), sum);
      batches ??= g.input("batches", "f32", []);
      return divide(sum, batches);
    };
    return { of: routerLoss(logits, weights, overStep), gradient };
  });
}

const streamIn = (g: Graph, stack: Stack, shape: Shape): Tensor => g.input("x", "f32", stack.stream(shape));

/** Weights that graphs read, some of them trained. */
export interface TrainedInputs {
  readonly weights: Pick<TrainableWeights, "inputsOf" | "frozenOf">;
  readonly trained: (name: string) => boolean;
}

/**
 * Traces a backward pass from the gradients of one tensor and of `more`: adds the gradients of the graph's trained
 * weights as outputs, and returns the gradients of `others`.
 */
export function outputGradients(
  g: Graph,
  { weights, trained }: TrainedInputs,
  of: Tensor,
  gradient: Tensor,
  others: readonly Tensor[],
  more: readonly TensorGradient[] = [],
): Tensor[] {
  const inputs = weights.inputsOf(g).filter((w) => isTrained(w, trained));
  if (inputs.length + others.length === 0) return [];
  const sums = inputs.map(({ input, tensor }) => g.input(sumName(input), "f32", tensor.shape));
  const wanted = [...others, ...inputs.map(({ tensor }) => tensor)];
  const gradients = pullback([{ of, gradient }, ...more], wanted, [...others.map(() => undefined), ...sums]);
  for (const [i, { input }] of inputs.entries()) g.output(gradientName(input), gradients[others.length + i]!);
  return gradients.slice(0, others.length);
}

/** True if an input is trained; `ParameterStore` ensures that either all or none of its tensors are trained. */
export const isTrained = ({ sizes }: WeightInput, trained: (name: string) => boolean): boolean =>
  trained(Object.keys(sizes)[0]!);
