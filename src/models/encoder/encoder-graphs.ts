import { Graph, type Pooling, pool, reshape, sym, type Tensor, tanh, unit } from "../../graph/index.ts";
import { Parts } from "../tensors/parts.ts";
import type { Encoder, EncoderInput, TextEncoder } from "./encoder.ts";

const batch = sym("batch");
const tokens = sym("tokens");

/** Inputs for texts of different lengths: padding comes last and has 0 in the mask; a pair's second text has type 1. */
function inputs(g: Graph, encoder: TextEncoder): EncoderInput {
  return {
    ids: g.input("ids", "i64", [batch, tokens]),
    mask: g.input("mask", "i32", [batch, tokens]),
    types: encoder.config.types > 0 ? g.input("types", "i64", [batch, tokens]) : undefined,
  };
}

function traced(
  encoder: TextEncoder,
  name: string,
  finish: (g: Graph, hidden: Tensor, mask: Tensor) => Tensor,
  layers?: number,
): Graph {
  const g = new Graph();
  const input = inputs(g, encoder);
  g.output(name, finish(g, encoder.hidden(g, input, layers), input.mask));
  return g;
}

/** `ids`, `mask`, `types` → `hidden` [batch, tokens, width]. */
export const traceHidden = (encoder: TextEncoder): Graph => traced(encoder, "hidden", (_, hidden) => hidden);

/** A linear layer after an encoder; its weights have the name `denseName`. */
export interface DenseLayer {
  readonly outputs: number;
  readonly activation: "none" | "tanh";
}

export const denseName = (nth: number): string => `dense.${nth}`;

/** Passes x [batch, tokens, width] through linear layers. */
function through(g: Graph, { weights }: TextEncoder, x: Tensor, layers: readonly DenseLayer[]): Tensor {
  const parts = new Parts(weights, g);
  return layers.reduce((inside, { outputs, activation }, nth) => {
    const product = parts.project(inside, { [denseName(nth)]: outputs });
    return activation === "tanh" ? tanh(product) : product;
  }, x);
}

/** The same inputs and `seen`, 1 for tokens that others see → `vectors` [batch, tokens, width], each of length 1. */
export function traceTokens(encoder: TextEncoder, dense: readonly DenseLayer[]): Graph {
  const g = new Graph();
  const hidden = encoder.hidden(g, { ...inputs(g, encoder), seen: g.input("seen", "i32", [batch, tokens]) });
  g.output("vectors", unit(through(g, encoder, hidden, dense)));
  return g;
}

/**
 * The same inputs → `embedding` [batch, width]: one vector per text, from all layers or the first `layers`, after the
 * model's linear layers, with length 1 if `normalise`.
 */
export const traceEmbedding = (
  encoder: TextEncoder,
  pooling: Pooling,
  normalise: boolean,
  layers?: number,
  dense: readonly DenseLayer[] = [],
): Graph => {
  const finish = (g: Graph, hidden: Tensor, mask: Tensor) => {
    const pooled = pool(hidden, mask, pooling);
    const [rows, width] = pooled.shape as [Tensor["shape"][0], Tensor["shape"][0]];
    // Projections take rows of tokens, so each text becomes a row with one token.
    const outputs = dense.at(-1)?.outputs ?? width!;
    const shape = [rows!, outputs];
    const vector = dense.length === 0 ? pooled : reshape(through(g, encoder, reshape(pooled, [rows!, 1, width!]), dense), shape); // biome-ignore format: one line
    return normalise ? unit(vector) : vector;
  };
  return traced(encoder, "embedding", finish, layers);
};

/** The same inputs → `scores` [batch, labels], before any softmax or sigmoid. */
export const traceScores = (encoder: Encoder): Graph =>
  traced(encoder, "scores", (g, hidden, mask) => encoder.classify(g, hidden, mask));

/** The same inputs → `logits` [batch, tokens, vocabulary] of a masked language model. */
export const tracePredictions = (encoder: Encoder): Graph =>
  traced(encoder, "logits", (g, hidden) => encoder.predict(g, hidden));
