import {
  concat,
  divide,
  full,
  layerNorm,
  plus,
  reshape,
  rmsNorm,
  scale,
  skipLayerNorm,
  skipRmsNorm,
  split,
  spread,
  sqrt,
  sum,
  type Tensor,
  times,
} from "../graph/index.ts";

/** A norm with its weights: by root mean square, or by mean and standard deviation. */
export interface Norm {
  readonly kind: "rms" | "layer";
  readonly gain: Tensor;
  /** The bias, for layer norms that have one. */
  readonly shift?: Tensor | undefined;
  readonly epsilon: number;
}

export function normalise(x: Tensor, { kind, gain, shift, epsilon }: Norm): Tensor {
  return kind === "rms" ? rmsNorm(x, gain, epsilon) : layerNorm(x, gain, shift, epsilon);
}

/** x divided by its root mean square on the last axis, without a gain. */
export function plainRmsNorm(x: Tensor, epsilon: number): Tensor {
  const axis = x.shape.length - 1;
  const mean = scale(sum(times(x, x), axis), 1 / Number(x.shape[axis]));
  return divide(x, spread(sqrt(plus(mean, full(mean, epsilon))), axis, x));
}

/** Returns x + residual normalised, and the sum itself. */
export function addAndNormalise(x: Tensor, residual: Tensor, { kind, gain, shift, epsilon }: Norm) {
  return kind === "rms" ? skipRmsNorm(x, residual, gain, epsilon) : skipLayerNorm(x, residual, gain, shift, epsilon);
}

interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** The norms of a layer's queries, keys and values. */
interface HeadNorms {
  readonly q: Norm;
  readonly k: Norm;
  /** If absent, values have no norm. */
  readonly v?: Norm | undefined;
}

/** Norms of queries, keys and values: over each head if the gain has a head's size, else over all heads together. */
export function normaliseHeads(qkv: Tensor, norms: HeadNorms, { heads, kvHeads, headSize }: Heads): Tensor {
  const [q, k, v] = split(
    qkv,
    2,
    [heads, kvHeads, kvHeads].map((n) => n * headSize),
  ) as [Tensor, Tensor, Tensor];
  return concat([normaliseEach(q, norms.q), normaliseEach(k, norms.k), norms.v ? normaliseEach(v, norms.v) : v], 2);
}

/** The norm over each head if the gain has a head's size, else over all heads together. */
export function normaliseEach(x: Tensor, norm: Norm): Tensor {
  const [size, width] = [norm.gain.shape[0], x.shape[2]].map(Number) as [number, number];
  if (size === width) return normalise(x, norm);
  const [batch, tokens] = x.shape as [Tensor["shape"][0], Tensor["shape"][0]];
  return reshape(normalise(reshape(x, [batch!, tokens!, width / size, size]), norm), x.shape);
}
