/** Cases of rotary embeddings, attention and encoders. */

import { batch, fixed, type GradientCase, noise, tokens, unary, whole } from "./gradient-case.testing.ts";
import { causalAttention } from "./ops/causal-attention.ts";
import { encoderAttention } from "./ops/encoder.ts";
import { gather } from "./ops/gather.ts";
import { pool, poolings, unit } from "./ops/pool.ts";
import { relativeBias } from "./ops/relative.ts";
import { rotaryEmbedding } from "./ops/rotary.ts";
import { reshape } from "./ops/shape.ts";
import { pad, tokenPlaces, tokenRows, unpad } from "./ops/unpad.ts";
import type { Tensor } from "./tensor.ts";

const angles = noise(5, [6, 2]);
const tables = {
  cos: fixed({ ...angles, data: angles.data.map((v) => Math.fround(Math.cos(v))) }),
  sin: fixed({ ...angles, data: angles.data.map((v) => Math.fround(Math.sin(v))) }),
};
export const rotary: GradientCase[] = (["half", "interleaved"] as const).flatMap((pairs) =>
  [8, 12].flatMap((width) =>
    [whole("i64", [1], 2), whole("i64", [2, 3], 0, 2, 5, 1, 1, 0)].map((at) => ({
      name: `rotaryEmbedding, ${pairs}, heads of ${width / 2}, positions [${at.shape}]`,
      inputs: { x: noise(1, [2, 3, width]), at, ...tables },
      trace: ({ x, at: places, cos, sin }: Readonly<Record<string, Tensor>>) => [
        rotaryEmbedding(x!, places!, { cos: cos!, sin: sin! }, { heads: 2, pairs }),
      ],
    })),
  ),
);

/** Keys and values of 2 heads, each with `group` query heads. */
const attention = (
  name: string,
  { batch, tokens: length, group, documents, prefix, sinks, ...attrs }: AttentionCase,
): GradientCase => ({
  name: `causalAttention, ${name}`,
  inputs: {
    q: noise(1, [batch, length, 2 * group * 4]),
    k: noise(2, [batch, length, 8]),
    v: noise(3, [batch, length, 8]),
    ...(documents && { documents: whole("i64", [batch, length], ...documents) }),
    ...(prefix && { prefix: whole("i64", [batch, length], ...prefix) }),
    ...(sinks && { sinks: noise(4, [2 * group]) }),
  },
  trace: ({ q, k, v, documents: rowDocuments, prefix: shown, sinks: own }) => [
    causalAttention(
      { q: q!, k: k!, v: v!, documents: rowDocuments, prefix: shown, sinks: own },
      { heads: 2 * group, kvHeads: 2, headSize: 4, scale: 0.5, sinks, ...attrs },
    ),
  ],
});
interface AttentionCase {
  readonly batch: number;
  readonly tokens: number;
  readonly group: number;
  readonly documents?: readonly number[];
  readonly prefix?: readonly number[];
  readonly window?: number;
  readonly chunk?: number;
  readonly softcap?: number;
  readonly sinks?: true;
}
export const attentions: GradientCase[] = [
  attention("two tokens", { batch: 1, tokens: 2, group: 1 }),
  attention("several texts", { batch: 2, tokens: 5, group: 1 }),
  attention("grouped queries", { batch: 2, tokens: 4, group: 3 }),
  attention("a window", { batch: 1, tokens: 6, group: 2, window: 3 }),
  attention("chunks", { batch: 2, tokens: 7, group: 2, window: 3, chunk: 3 }),
  attention("capped scores", { batch: 1, tokens: 5, group: 1, softcap: 0.7 }),
  attention("sinks", { batch: 2, tokens: 4, group: 2, sinks: true }),
  attention("sinks and two documents", {
    ...{ batch: 1, tokens: 6, group: 1, window: 2, sinks: true },
    ...{ documents: [0, 0, 0, 1, 1, 1], prefix: [1, 1, 0, 1, 1, 0] },
  }),
  attention("two documents in a row", { batch: 2, tokens: 5, group: 2, documents: [0, 0, 1, 1, 1, 3, 4, 4, 4, 4] }),
  attention("prefixes", { batch: 2, tokens: 4, group: 2, prefix: [1, 1, 1, 0, 1, 0, 0, 0] }),
  attention("prefixes of two documents", {
    ...{ batch: 1, tokens: 6, group: 1, window: 2 },
    ...{ documents: [0, 0, 0, 1, 1, 1], prefix: [1, 1, 0, 1, 1, 0] },
  }),
];

/** Two texts of 4 and 2 tokens. */
const mask = whole("i32", [2, 4], 1, 1, 1, 1, 1, 1, 0, 0);
const placesIn = (tokenMask: Tensor) => ({
  mask: tokenMask,
  places: tokenPlaces(tokenMask, 6),
  rows: tokenRows(tokenMask),
});
export const encoders: GradientCase[] = [
  ...[{}, { reach: 1 }, { causal: true }].map((limit) => ({
    name: `encoderAttention, ${JSON.stringify(limit)}`,
    inputs: { q: noise(1, [2, 4, 6]), k: noise(2, [2, 4, 6]), v: noise(3, [2, 4, 6]), mask },
    // Attention leaves padding undefined, so only tokens are compared.
    trace: ({ q, k, v, mask: tokenMask }: Readonly<Record<string, Tensor>>) => {
      const y = encoderAttention(q!, k!, v!, tokenMask!, { heads: 2, scale: 0.6, ...limit });
      return [gather(reshape(y, [8, 6]), tokenPlaces(tokenMask!, 6), 0)];
    },
  })),
  {
    name: "encoderAttention with a bias by distance",
    inputs: {
      ...{ q: noise(1, [2, 4, 6]), k: noise(2, [2, 4, 6]), v: noise(3, [2, 4, 6]), mask },
      byDistance: noise(4, [2, 5]),
    },
    trace: ({ q, k, v, mask: tokenMask, byDistance }) => {
      const y = encoderAttention(
        q!,
        k!,
        v!,
        tokenMask!,
        { heads: 2, scale: 0.6 },
        relativeBias(byDistance!, tokenMask!),
      );
      return [gather(reshape(y, [8, 6]), tokenPlaces(tokenMask!, 6), 0)];
    },
  },
  {
    name: "unpad",
    inputs: { x: noise(1, [2, 4, 3]), mask },
    trace: ({ x, mask: tokenMask }) => [unpad(x!, placesIn(tokenMask!))],
  },
  {
    name: "pad, of which only tokens are compared",
    inputs: { x: noise(1, [6, 3]), mask },
    trace: ({ x, mask: tokenMask }) => [unpad(pad(x!, placesIn(tokenMask!)), placesIn(tokenMask!))],
  },
  ...poolings.map((pooling) => ({
    name: `pool, ${pooling}`,
    inputs: { x: noise(1, [2, 4, 3], [batch, tokens, 3]), mask: { ...mask, symbolic: [batch, tokens] } },
    bindings: { batch: 2, tokens: 4 },
    trace: ({ x, mask: tokenMask }: Readonly<Record<string, Tensor>>) => [pool(x!, tokenMask!, pooling)],
  })),
  unary("unit", unit),
];
