import {
  concat,
  type Graph,
  gather,
  matmulTransposed,
  plus,
  silu,
  split,
  type Tensor,
  times,
} from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder.ts";
import type { WeightsOf } from "./weights-of.ts";

/**
 * The ways to read a token off the stream after an inner layer. `shared`: the model's final norm and head, with nothing
 * trained. `norm`: a gain for each layer behind the final norm. `adapter`: a low-rank step of the stream before them,
 * too. `separate`: a matrix of its own for each layer on the raw stream, as in SEC (ICSE 2024).
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

/** True if a head reads the model's own head, whole. */
export const usesModelHead = ({ mode, tokens }: ExitHeadSettings): boolean => mode !== "separate" && !tokens;

/** The stream after `layer` layers, f32 [..., hidden] → logits [..., vocabulary]. */
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

/** Like `traceExitHead`, with the logits of the tokens that the exit can choose: [..., tokens]. */
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

/** The logit of a token that an exit cannot choose: no probability, and still a number. */
const NEVER = -1e30;

/** Logits of some tokens [..., tokens] in their places among all [..., vocabulary]. */
function spreadOut(logits: Tensor, tokens: readonly number[], vocabulary: number): Tensor {
  const { graph } = logits;
  const places = new BigInt64Array(vocabulary).fill(BigInt(tokens.length));
  for (const [place, id] of tokens.entries()) places[id] = BigInt(place);
  const constant = (
    name: string,
    dtype: "f32" | "i64",
    values: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>,
  ) =>
    graph.constant(
      `exit.${name}`,
      { dtype, shape: [values.length] },
      { kind: "memory", bytes: new Uint8Array(values.buffer) },
    );
  const axis = logits.shape.length - 1;
  // A column of any finite numbers, cleared, has the rows' number, which is not known here.
  const [column] = split(logits, axis, [1, tokens.length - 1]);
  const never = plus(
    times(column!, constant("zero", "f32", Float32Array.of(0))),
    constant("never", "f32", Float32Array.of(NEVER)),
  );
  return gather(concat([logits, never], axis), constant("places", "i64", places), axis);
}
