/** Every operator, used in small graphs, to check its gradient rule against differences and in compiled form. */
import { seededRandom } from "../util/random.ts";
import type { Bindings, Shape } from "./dim.ts";
import { sym } from "./dim.ts";
import type { Graph } from "./graph.ts";
import { count } from "./ndarray.ts";
import { matmul } from "./ops/batched-matmul.ts";
import { causalAttention } from "./ops/causal-attention.ts";
import { causalConv } from "./ops/causal-conv.ts";
import { crossEntropy } from "./ops/cross-entropy.ts";
import { cumSum, lower, segmentSums } from "./ops/cumulative.ts";
import { diagonalScan } from "./ops/diagonal-scan.ts";
import * as elementwise from "./ops/elementwise.ts";
import { columns, encoderAttention } from "./ops/encoder.ts";
import { expertOrder, expertShares, toExperts, toSlots } from "./ops/expert-rows.ts";
import { gather } from "./ops/gather.ts";
import { groupedLinear } from "./ops/grouped-linear.ts";
import { groupedQuantizedLinear } from "./ops/grouped-quantized.ts";
import { cacheLengths, maskLengths, narrowMask } from "./ops/mask.ts";
import { linear, matmulTransposed } from "./ops/matmul.ts";
import { mixExperts } from "./ops/mix-experts.ts";
import { layerNorm, rmsNorm, skipLayerNorm, skipRmsNorm } from "./ops/norm.ts";
import { pool, poolings, unit } from "./ops/pool.ts";
import { positions } from "./ops/positions.ts";
import { quantizedLinear } from "./ops/quantized.ts";
import { full, repeat, spread, sum, sumTo } from "./ops/reduce.ts";
import { relativeBias } from "./ops/relative.ts";
import { rotaryEmbedding } from "./ops/rotary.ts";
import { concat, reshape, reshapeLike, reverse, split, transpose } from "./ops/shape.ts";
import { softmax } from "./ops/softmax.ts";
import { topK } from "./ops/top-k.ts";
import { pad, tokenPlaces, tokenRows, unpad } from "./ops/unpad.ts";
import type { DType, Tensor } from "./tensor.ts";

interface Input {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** The shape given to the graph, if it is not `shape`. */
  readonly symbolic?: Shape;
  /** True for inputs that are never trained, such as rotary tables. */
  readonly fixed?: true;
}

export interface GradientCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Input>>;
  readonly bindings?: Bindings;
  trace(t: Readonly<Record<string, Tensor>>, graph: Graph): readonly Tensor[];
}

/** About normal values, exact in float32. */
export function noise(seed: number, shape: readonly number[], symbolic?: Shape): Input {
  const random = seededRandom(seed);
  const data = Float64Array.from({ length: count(shape) }, () =>
    Math.fround(random() + random() + random() + random() - 2),
  );
  return { dtype: "f32", shape, data, ...(symbolic && { symbolic }) };
}

/** The same, from 0.5 on. */
function positive(seed: number, shape: readonly number[]): Input {
  const x = noise(seed, shape);
  return { ...x, data: x.data.map((v) => Math.fround(0.5 + Math.abs(v))) };
}

const whole = (dtype: "i32" | "i64", shape: readonly number[], ...data: number[]): Input => ({
  dtype,
  shape,
  data: Float64Array.from(data),
});

const fixed = (input: Input): Input => ({ ...input, fixed: true });

const [batch, tokens] = [sym("batch"), sym("tokens")];

/** A function of one tensor on one shape. */
const unary = (name: string, f: (x: Tensor) => Tensor, x: Input = noise(1, [2, 3, 5])): GradientCase => ({
  name,
  inputs: { x },
  trace: (t) => [f(t["x"]!)],
});

/** A function of two, the second of each suffix of the first's shape. */
const binary = (name: string, f: (a: Tensor, b: Tensor) => Tensor): GradientCase[] =>
  [[2, 3, 5], [3, 5], [5], []].map((shape) => ({
    name: `${name}, b of [${shape}]`,
    inputs: { a: noise(1, [2, 3, 5]), b: positive(2, shape) },
    trace: (t) => [f(t["a"]!, t["b"]!)],
  }));

const symbolic: GradientCase[] = [
  {
    name: "a sum over symbolic rows, and back",
    inputs: { x: noise(1, [2, 3, 4], [batch, tokens, 4]), b: noise(2, [3, 4], [tokens, 4]) },
    bindings: { batch: 2, tokens: 3 },
    trace: ({ x, b }) => [elementwise.times(sum(x!, 0), b!), elementwise.times(x!, b!), full(x!, 3)],
  },
  {
    name: "a reshape in which two symbols move",
    inputs: { x: noise(1, [2, 3, 4], [batch, tokens, 4]), y: noise(2, [4, 2, 3], [4, batch, tokens]) },
    bindings: { batch: 2, tokens: 3 },
    trace: ({ x, y }) => [elementwise.times(reshapeLike(x!, y!), y!)],
  },
];

const shapes: GradientCase[] = [
  unary("reshape", (x) => reshape(x, [6, 5])),
  unary("transpose", (x) => transpose(x, [2, 0, 1])),
  unary("reverse", (x) => reverse(x, 1)),
  unary("sum", (x) => sum(x, 1)),
  unary("sumTo", (x) => sumTo(x, [5])),
  unary("full", (x) => full(x, 2)),
  unary("spread over a number of places", (x) => spread(x, 1, 4)),
  { name: "spread", inputs: { x: noise(1, [2, 5]), y: noise(2, [2, 3, 5]) }, trace: ({ x, y }) => [spread(x!, 1, y!)] },
  { name: "repeat", inputs: { x: noise(1, [3, 5]), y: noise(2, [2, 3, 5]) }, trace: ({ x, y }) => [repeat(x!, y!)] },
  { name: "split", inputs: { x: noise(1, [2, 7]) }, trace: ({ x }) => split(x!, 1, [1, 4, 2]) },
  { name: "a part of a split alone", inputs: { x: noise(1, [2, 7]) }, trace: ({ x }) => [split(x!, 1, [1, 4, 2])[1]!] },
  {
    name: "concat",
    inputs: { a: noise(1, [2, 1, 3]), b: noise(2, [2, 4, 3]) },
    trace: ({ a, b }) => [concat([a!, b!, a!], 1)],
  },
  {
    name: "gather of rows, one twice",
    inputs: { x: noise(1, [5, 3]), ids: whole("i64", [2, 2], 4, 0, 4, 2) },
    trace: ({ x, ids }) => [gather(x!, ids!, 0)],
  },
  {
    name: "gather of columns",
    inputs: { x: noise(1, [2, 5, 3]), ids: whole("i64", [3], 1, 1, 0) },
    trace: ({ x, ids }) => [gather(x!, ids!, 1)],
  },
];

const cumulative: GradientCase[] = [
  ...[true, false].flatMap((reversed) =>
    [true, false].map((exclusive) =>
      unary(`cumSum, reversed ${reversed}, exclusive ${exclusive}`, (x) => cumSum(x, 1, { reversed, exclusive })),
    ),
  ),
  ...[0, -1, 2].map((diagonal) => unary(`lower, diagonal ${diagonal}`, (x) => lower(x, diagonal))),
  ...[true, false].map((exclusive) =>
    unary(`segmentSums, exclusive ${exclusive}`, (x) => elementwise.exp(segmentSums(x, { exclusive }))),
  ),
  ...[1, 5].map((length) => ({
    name: `diagonalScan of ${length} tokens`,
    inputs: { u: noise(1, [2, length, 3]), decay: noise(2, [2, length, 3]) },
    trace: ({ u, decay }: Readonly<Record<string, Tensor>>) => [diagonalScan(u!, decay!)],
  })),
  ...[1, 3, 6].map((length) => ({
    name: `causalConv of ${length} tokens`,
    inputs: {
      x: noise(1, [2, length, 5], [batch, tokens, 5]),
      weight: noise(2, [5, 1, 4]),
      bias: noise(3, [5]),
    },
    bindings: { batch: 2, tokens: length },
    trace: ({ x, weight, bias }: Readonly<Record<string, Tensor>>) => [causalConv(x!, weight!, bias!)],
  })),
];

const products: GradientCase[] = [
  {
    name: "linear",
    inputs: { x: noise(1, [2, 3, 5]), w: noise(2, [5, 4]) },
    trace: ({ x, w }) => [linear(x!, w!)],
  },
  ...[1, -0.5].map((factor) => ({
    name: `matmulTransposed, one matrix for all, times ${factor}`,
    inputs: { a: noise(1, [2, 3, 5]), b: noise(2, [4, 5]) },
    trace: ({ a, b }: Readonly<Record<string, Tensor>>) => [matmulTransposed(a!, b!, factor)],
  })),
  {
    name: "matmulTransposed, stacked",
    inputs: { a: noise(1, [2, 3, 5]), b: noise(2, [2, 4, 5]) },
    trace: ({ a, b }) => [matmulTransposed(a!, b!, 0.5)],
  },
  ...[false, true].flatMap((transA) =>
    [false, true].map((transB) => ({
      name: `matmul, transposed: ${transA}, ${transB}`,
      inputs: { a: noise(1, transA ? [2, 5, 3] : [2, 3, 5]), b: noise(2, transB ? [2, 4, 5] : [2, 5, 4]) },
      trace: ({ a, b }: Readonly<Record<string, Tensor>>) => [matmul(a!, b!, { transA, transB, scale: 0.5 })],
    })),
  ),
];

const codes = (seed: number, shape: readonly number[]): Input => {
  const random = seededRandom(seed);
  return { dtype: "u8", shape, data: Float64Array.from({ length: count(shape) }, () => Math.floor(256 * random())) };
};

/** Frozen matrices of 5 rows in blocks of codes. */
const frozen: GradientCase[] = ([4, 8] as const).flatMap((bits) =>
  [false, true].map((withResidual) => ({
    name: `quantizedLinear of ${bits} bits, with a residual: ${withResidual}`,
    inputs: {
      x: noise(1, [2, 3, 48]),
      codes: codes(2, [5, 3, (16 * bits) / 8]),
      scale: fixed({ ...noise(3, [5, 3]), data: noise(3, [5, 3]).data.map((v) => Math.fround(v / 2 ** bits)) }),
      zero: codes(4, [5, Math.ceil((3 * bits) / 8)]),
      ...(withResidual && { residual: fixed(noise(5, [3, 5])) }),
    },
    trace: ({ x, codes: of, scale, zero, residual }: Readonly<Record<string, Tensor>>) => [
      quantizedLinear(x!, { bits, codes: of!, scale: scale!, zero: zero!, residual }, "float32"),
    ],
  })),
);

/** Three experts, of which the second has no rows. */
const frozenExperts: GradientCase[] = frozen.map(({ name, inputs }) => {
  const matrices = [0, 1, 2].map((e) =>
    Object.entries(inputs)
      .filter(([part]) => part !== "x")
      .map(([part, input]): [string, Input] => [`${part}${e}`, { ...input, data: input.data.toReversed() }]),
  );
  const bits = name.includes("4 bits") ? 4 : 8;
  return {
    name: `experts, ${name}`,
    inputs: {
      x: noise(1, [5, 48]),
      sizes: whole("i64", [3], 2, 0, 3),
      ...Object.fromEntries(matrices.flat()),
    },
    trace(t) {
      const part = (of: string, e: number) => t[`${of}${e}`]!;
      const all = [0, 1, 2].map((e) => ({
        ...{ bits: bits as 4 | 8, codes: part("codes", e), scale: part("scale", e), zero: part("zero", e) },
        residual: t[`residual${e}`],
      }));
      return [groupedQuantizedLinear(t["x"]!, t["sizes"]!, all, "float32")];
    },
  };
});

const weights = { gain: noise(8, [7]), shift: noise(9, [7]) };
const two = { x: noise(1, [2, 3, 7]), skip: noise(2, [2, 3, 7]) };
const norms: GradientCase[] = [
  { name: "rmsNorm", inputs: { x: two.x, ...weights }, trace: ({ x, gain }) => [rmsNorm(x!, gain!, 0.1)] },
  {
    name: "layerNorm",
    inputs: { x: two.x, ...weights },
    trace: ({ x, gain, shift }) => [layerNorm(x!, gain!, shift, 0.1)],
  },
  {
    name: "layerNorm without a shift",
    inputs: { x: two.x, gain: weights.gain },
    trace: ({ x, gain }) => [layerNorm(x!, gain!, undefined, 0.1)],
  },
  ...(["normed", "residual", "both"] as const).flatMap((used): GradientCase[] => {
    const pick = (t: { normed: Tensor; residual: Tensor }) => (used === "both" ? [t.normed, t.residual] : [t[used]]);
    return [
      {
        name: `skipRmsNorm, of which ${used} is used`,
        inputs: { ...two, gain: weights.gain },
        trace: ({ x, skip, gain }) => pick(skipRmsNorm(x!, skip!, gain!, 0.1)),
      },
      {
        name: `skipLayerNorm, of which ${used} is used`,
        inputs: { ...two, ...weights },
        trace: ({ x, skip, gain, shift }) => pick(skipLayerNorm(x!, skip!, gain!, shift, 0.1)),
      },
    ];
  }),
];

const angles = noise(5, [6, 2]);
const tables = {
  cos: fixed({ ...angles, data: angles.data.map((v) => Math.fround(Math.cos(v))) }),
  sin: fixed({ ...angles, data: angles.data.map((v) => Math.fround(Math.sin(v))) }),
};
const rotary: GradientCase[] = (["half", "interleaved"] as const).flatMap((pairs) =>
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
  { batch, tokens: length, group, documents, prefix, ...attrs }: AttentionCase,
): GradientCase => ({
  name: `causalAttention, ${name}`,
  inputs: {
    q: noise(1, [batch, length, 2 * group * 4]),
    k: noise(2, [batch, length, 8]),
    v: noise(3, [batch, length, 8]),
    ...(documents && { documents: whole("i64", [batch, length], ...documents) }),
    ...(prefix && { prefix: whole("i64", [batch, length], ...prefix) }),
  },
  trace: ({ q, k, v, documents: told, prefix: shown }) => [
    causalAttention(
      { q: q!, k: k!, v: v!, documents: told, prefix: shown },
      { heads: 2 * group, kvHeads: 2, headSize: 4, scale: 0.5, ...attrs },
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
  readonly softcap?: number;
}
const attentions: GradientCase[] = [
  attention("two tokens", { batch: 1, tokens: 2, group: 1 }),
  attention("several texts", { batch: 2, tokens: 5, group: 1 }),
  attention("grouped queries", { batch: 2, tokens: 4, group: 3 }),
  attention("a window", { batch: 1, tokens: 6, group: 2, window: 3 }),
  attention("capped scores", { batch: 1, tokens: 5, group: 1, softcap: 0.7 }),
  attention("two documents in a row", { batch: 2, tokens: 5, group: 2, documents: [0, 0, 1, 1, 1, 3, 4, 4, 4, 4] }),
  attention("prefixes", { batch: 2, tokens: 4, group: 2, prefix: [1, 1, 1, 0, 1, 0, 0, 0] }),
  attention("prefixes of two documents", {
    ...{ batch: 1, tokens: 6, group: 1, window: 2 },
    ...{ documents: [0, 0, 0, 1, 1, 1], prefix: [1, 1, 0, 1, 1, 0] },
  }),
];

/** Two texts of 4 and 2 tokens. */
const mask = whole("i32", [2, 4], 1, 1, 1, 1, 1, 1, 0, 0);
const placesIn = (told: Tensor) => ({ mask: told, places: tokenPlaces(told, 6), rows: tokenRows(told) });
const encoders: GradientCase[] = [
  ...[{}, { reach: 1 }, { causal: true }].map((limit) => ({
    name: `encoderAttention, ${JSON.stringify(limit)}`,
    inputs: { q: noise(1, [2, 4, 6]), k: noise(2, [2, 4, 6]), v: noise(3, [2, 4, 6]), mask },
    // Attention's result for padding is undefined, so only tokens are compared.
    trace: ({ q, k, v, mask: told }: Readonly<Record<string, Tensor>>) => {
      const y = encoderAttention(q!, k!, v!, told!, { heads: 2, scale: 0.6, ...limit });
      return [gather(reshape(y, [8, 6]), tokenPlaces(told!, 6), 0)];
    },
  })),
  {
    name: "encoderAttention with a bias by distance",
    inputs: {
      ...{ q: noise(1, [2, 4, 6]), k: noise(2, [2, 4, 6]), v: noise(3, [2, 4, 6]), mask },
      byDistance: noise(4, [2, 5]),
    },
    trace: ({ q, k, v, mask: told, byDistance }) => {
      const y = encoderAttention(q!, k!, v!, told!, { heads: 2, scale: 0.6 }, relativeBias(byDistance!, told!));
      return [gather(reshape(y, [8, 6]), tokenPlaces(told!, 6), 0)];
    },
  },
  {
    name: "unpad",
    inputs: { x: noise(1, [2, 4, 3]), mask },
    trace: ({ x, mask: told }) => [unpad(x!, placesIn(told!))],
  },
  {
    name: "pad, of which only tokens are compared",
    inputs: { x: noise(1, [6, 3]), mask },
    trace: ({ x, mask: told }) => [unpad(pad(x!, placesIn(told!)), placesIn(told!))],
  },
  ...poolings.map((pooling) => ({
    name: `pool, ${pooling}`,
    inputs: { x: noise(1, [2, 4, 3], [batch, tokens, 3]), mask: { ...mask, symbolic: [batch, tokens] } },
    bindings: { batch: 2, tokens: 4 },
    trace: ({ x, mask: told }: Readonly<Record<string, Tensor>>) => [pool(x!, told!, pooling)],
  })),
  unary("unit", unit),
];

const losses: GradientCase[] = [
  {
    name: "crossEntropy",
    inputs: { logits: noise(1, [2, 3, 7]), targets: whole("i64", [2, 3], 0, 6, 3, 3, 1, 0) },
    trace: ({ logits, targets }) => [crossEntropy(logits!, targets!)],
  },
];

/** Four experts, two of them for each of six tokens; the third has none. */
const experts: GradientCase[] = [false, true].map((rows) => ({
  name: `experts, their matrices in ${rows ? "rows" : "columns"}`,
  inputs: {
    x: noise(1, [2, 3, 4], [batch, tokens, 4]),
    logits: {
      ...noise(2, [2, 3, 4], [batch, tokens, 4]),
      data: Float64Array.from({ length: 24 }, (_, i) => (i % 4 === 2 ? -9 : ((7 * i) % 11) / 4)),
    },
    ...Object.fromEntries([0, 1, 2, 3].map((e) => [`w${e}`, noise(3 + e, rows ? [5, 4] : [4, 5])])),
  },
  bindings: { batch: 2, tokens: 3 },
  trace({ x, logits, ...weights }) {
    const { values, chosen } = topK(logits!, 2);
    const order = expertOrder(chosen, 4);
    const matrices = Object.values(weights).slice(0, 4);
    const y = groupedLinear(toExperts(x!, order, 2), order.sizes, matrices, { rows });
    const slots = toSlots(y, order, chosen);
    const again = toSlots(toExperts(slots, order, 1), order, chosen);
    const mixed = mixExperts(elementwise.plus(slots, elementwise.times(again, again)), softmax(values));
    return [mixed, expertShares(order.sizes)];
  },
}));

/** Operators of integers, which have no gradient. */
const integers: GradientCase[] = [
  {
    name: "positions and masks",
    inputs: {
      ids: whole("i64", [2, 3], 1, 2, 3, 4, 5, 6),
      lengths: whole("i32", [2], 2, 4),
      mask: whole("i64", [2, 3], 1, 1, 1, 1, 1, 0),
      cache: noise(1, [2, 1, 4, 2]),
    },
    trace({ ids, lengths, mask, cache }) {
      const narrow = narrowMask(mask!);
      const of = [positions(ids!, lengths!), columns(ids!, 1), narrow, tokenPlaces(narrow, 5), tokenRows(narrow)];
      return [...of, ...Object.values(maskLengths(ids!, mask!)), ...Object.values(cacheLengths(ids!, cache!))];
    },
  },
];

export const gradientCases: readonly GradientCase[] = [
  ...binary("plus", elementwise.plus),
  ...binary("minus", elementwise.minus),
  ...binary("times", elementwise.times),
  ...binary("divide", elementwise.divide),
  unary("a tensor used twice", (x) => elementwise.times(elementwise.plus(x, x), x)),
  unary("scale", (x) => elementwise.scale(x, -1.5)),
  unary("silu", elementwise.silu),
  unary("gelu", (x) => elementwise.gelu(x, "exact")),
  unary("gelu by tanh", (x) => elementwise.gelu(x, "tanh")),
  unary("tanh", elementwise.tanh),
  unary("relu", elementwise.relu),
  unary("sign", elementwise.sign),
  unary("softcap", (x) => elementwise.softcap(x, 1.5)),
  unary("exp", elementwise.exp),
  unary("log", elementwise.log, positive(1, [2, 3, 5])),
  unary("sqrt", elementwise.sqrt, positive(1, [2, 3, 5])),
  unary("sigmoid", elementwise.sigmoid),
  unary("softplus", elementwise.softplus),
  unary("softmax", softmax),
  ...symbolic,
  ...shapes,
  ...cumulative,
  ...products,
  ...frozen,
  ...frozenExperts,
  ...norms,
  ...rotary,
  ...attentions,
  ...encoders,
  ...losses,
  ...experts,
  ...integers,
];
