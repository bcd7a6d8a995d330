import { type Graph, matmulTransposed, plus, silu, type Tensor, times } from "../../../graph/index.ts";
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
}

/** True if a head has weights of its own. */
export const isTrainedHead = ({ mode }: ExitHeadSettings): boolean => mode !== "shared";

/** True if a head reads the model's own head. */
export const usesModelHead = ({ mode }: ExitHeadSettings): boolean => mode !== "separate";

/** The stream after `layer` layers, f32 [..., hidden] → logits [..., vocabulary]. */
export function traceExitHead(
  g: Graph,
  decoder: Decoder,
  weightsOf: WeightsOf,
  { mode, rank }: ExitHeadSettings,
  layer: number,
  stream: Tensor,
): Tensor {
  const { hidden, vocabulary } = decoder.config;
  const weight = (part: string, ...shape: number[]) => weightsOf(`head.${layer}.${part}`, shape);
  const normed = (x: Tensor) => decoder.finish(g, { branch: x });
  const scored = (x: Tensor) => decoder.logits(g, times(normed(x), weight("gain", hidden)));
  switch (mode) {
    case "shared":
      return decoder.logits(g, normed(stream));
    case "norm":
      return scored(stream);
    case "adapter": {
      const inside = silu(matmulTransposed(normed(stream), weight("down", rank!, hidden)));
      return scored(plus(stream, matmulTransposed(inside, weight("up", hidden, rank!))));
    }
    case "separate":
      return matmulTransposed(stream, weight("weight", vocabulary, hidden));
  }
}
