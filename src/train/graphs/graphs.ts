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

/** A model with weights as inputs, some of them trained. */
export interface Trainee {
  readonly stack: Stack;
  readonly objective: Objective;
  /** Losses at layers before the last, if there are any. */
  readonly exits?: ExitLosses;
  /**
   * A loss on each router's logits [rows, tokens, experts], f32 [], added to the step's loss: a mean weighted by
   * `weights` f32 [rows, tokens]. `overStep` turns the batch's shares of experts [experts] into the mean of the step's
   * batches so far.
   */
  readonly routerLoss?: (logits: Tensor, weights: Tensor, overStep: (shares: Tensor) => Tensor) => Tensor;
  readonly noise?: Noise | undefined;
  readonly weights: TrainableWeights;
  readonly trained: (name: string) => boolean;
}

/** Losses at layers before the last. Shares are parts of each label's loss. */
export interface ExitLosses {
  readonly at: readonly ExitLoss[];
  /** The last layer's share. */
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
 * Graphs of a step. Between layers, the stream is a single tensor. Weight inputs have the weights' names. A gradient
 * has the input `sum:NAME` and the output `gradient:NAME`, which adds to it: the two may be bound to the same buffer.
 */
export const sumName = (input: string): string => `sum:${input}`;
export const gradientName = (input: string): string => `gradient:${input}`;

/**
 * The sum of a router's shares over the step's batches, as an input before a batch and an output after it: the two may
 * be bound to the same buffer.
 */
const SHARES = "shares:";
export const sharesAfter = (input: string): string => `after ${input}`;

/** A batch's inputs → `y`, the stream before the first layer, and the tensors that travel with it. */
export function traceEmbedding(trainee: Trainee, shape: Shape): Graph {
  const g = new Graph();
  g.output("y", embedded(g, trainee, shape));
  return withCarried(g, trainee.stack);
}

function embedded(g: Graph, { stack, noise }: Trainee, shape: Shape): Tensor {
  const plain = stack.embed(g, shape);
  return noise && noise.alpha > 0 ? noisyEmbeddings(g, plain, noise, shape) : plain;
}

/** Like `traceEmbedding`, with `dy` → the gradients of its weights. */
export function traceEmbeddingBackward(trainee: Trainee, shape: Shape): Graph {
  const g = new Graph();
  const y = embedded(g, trainee, shape);
  outputGradients(g, trainee, y, g.input("dy", "f32", y.shape), [], carriedGradients(trainee, g));
  return g;
}

/** A layer: `x` → `y`, and the tensors that travel with them. */
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

/** The numbers of a model's layers. */
export const layersOf = ({ stack }: Trainee): number[] => Array.from({ length: stack.layers }, (_, l) => l);

/** A layer's two passes. */
export interface LayerPasses {
  /** `x` → `y`, the tensors that travel with them, and the retained tensors. */
  readonly forward: Graph;
  /**
   * `x`, the retained tensors and `dy` → `dx`, if anything before the layer is trained, and the gradients of its
   * weights; likewise for the tensors that travel with the stream.
   */
  readonly backward: Graph;
  /** Retained tensors, by their name as output of one graph and input of the other. */
  readonly kept: Readonly<Record<string, Tensor>>;
  /** Sums of routers' shares over a step, by their names as inputs of the backward graph; empty if none are summed. */
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

/** The gradients of a layer's router losses, which join the loss at its scale. */
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

/** Weights of graphs, some of which are trained. */
export interface TrainedInputs {
  readonly weights: Pick<TrainableWeights, "inputsOf" | "frozenOf">;
  readonly trained: (name: string) => boolean;
}

/**
 * Adds the gradients of the graph's trained weights as outputs, from the gradients of one tensor and of `more`; returns
 * the gradients of `others`.
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

/** True if an input is trained. `ParameterStore` ensures that its tensors are all trained, or none. */
export const isTrained = ({ sizes }: WeightInput, trained: (name: string) => boolean): boolean =>
  trained(Object.keys(sizes)[0]!);
