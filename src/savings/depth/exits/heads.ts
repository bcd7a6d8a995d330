import {
  concat,
  type Graph,
  gather,
  least,
  matmulTransposed,
  plus,
  silu,
  type Tensor,
  times,
} from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import type { WeightsOf } from "./weights-of.ts";

/**
 * Ways to predict a token from the residual stream after an inner layer. `shared`: the model's final norm and head,
 * without training. `norm`: a gain for each layer after the final norm. `adapter`: also a low-rank update of the stream
 * before the norm. `separate`: a matrix for each layer, applied to the raw stream, as in SEC (ICSE 2024).
 */
export const headModes = ["shared", "norm", "adapter", "separate"] as const;

export interface ExitHeadSettings {
  readonly mode: (typeof headModes)[number];
  /** Inner width of an adapter. */
  readonly rank?: number | undefined;
  /** The only tokens that an exit can choose, ascending; absent: all. A large vocabulary costs more than many layers. */
  readonly tokens?: readonly number[] | undefined;
}

/** True if a head has weights of its own. */
export const isTrainedHead = ({ mode }: ExitHeadSettings): boolean => mode !== "shared";

/** True if a head uses the model's own head with its whole vocabulary. */
export const usesModelHead = ({ mode, tokens }: ExitHeadSettings): boolean => mode !== "separate" && !tokens;

/** The residual stream after `layer` layers, f32 [..., hidden] → logits [..., vocabulary]. */
export function traceExitHead(
  g: Graph,
  decoder: Decoder,
  weightsOf: WeightsOf,
  head: ExitHeadSettings,
  layer: number,
  stream: Tensor,
): Tensor {
  const scores = traceExitScores(g, decoder, weightsOf, head, layer, stream);
  return head.tokens ? spreadOut(scores, head.tokens, decoder.config.vocabulary) : scores;
}

/** Like `traceExitHead`, but only for tokens that the exit can choose: [..., tokens]. */
export function traceExitScores(
  g: Graph,
  decoder: Decoder,
  weightsOf: WeightsOf,
  { mode, rank, tokens }: ExitHeadSettings,
  layer: number,
  stream: Tensor,
): Tensor {
  const { hidden, vocabulary } = decoder.config;
  const weight = (part: string, ...shape: number[]) => weightsOf(`head.${layer}.${part}`, shape);
  const normed = (x: Tensor) => decoder.finish(g, { branch: x });
  const logits = (x: Tensor) => (tokens ? decoder.logitsOf(g, x, tokens) : decoder.logits(g, x));
  const scored = (x: Tensor) => logits(times(normed(x), weight("gain", hidden)));
  switch (mode) {
    case "shared":
      return logits(normed(stream));
    case "norm":
      return scored(stream);
    case "adapter": {
      const inside = silu(matmulTransposed(normed(stream), weight("down", rank!, hidden)));
      return scored(plus(stream, matmulTransposed(inside, weight("up", hidden, rank!))));
    }
    case "separate":
      return matmulTransposed(stream, weight("weight", tokens?.length ?? vocabulary, hidden));
  }
}

/**
 * Scatters the logits of some tokens [..., tokens] into the whole vocabulary [..., vocabulary]. Other tokens get the
 * lowest of these logits: the exit never chooses them, but they have a finite likelihood in scored texts.
 */
function spreadOut(logits: Tensor, tokens: readonly number[], vocabulary: number): Tensor {
  const places = new BigInt64Array(vocabulary).fill(BigInt(tokens.length));
  for (const [place, id] of tokens.entries()) places[id] = BigInt(place);
  const constant = logits.graph.constant(
    "exit.places",
    { dtype: "i64", shape: [vocabulary] },
    { kind: "memory", bytes: new Uint8Array(places.buffer) },
  );
  const axis = logits.shape.length - 1;
  return gather(concat([logits, least(logits)], axis), constant, axis);
}
