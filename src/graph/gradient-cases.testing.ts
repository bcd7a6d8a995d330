/** Every operator in small graphs: its gradient rule is compared with differences, and its compiled form with its reference. */

import {
  batch,
  binary,
  fixed,
  type GradientCase,
  noise,
  positive,
  tokens,
  unary,
  whole,
} from "./gradient-case.testing.ts";
import { attentions, encoders, rotary } from "./gradient-cases-attention.testing.ts";
import { frozen, frozenExperts } from "./gradient-cases-frozen.testing.ts";
import { images } from "./gradient-cases-images.testing.ts";
import { aheadMask } from "./ops/ahead-mask.ts";
import { matmul } from "./ops/batched-matmul.ts";
import { causalConv } from "./ops/causal-conv.ts";
import { crossEntropy } from "./ops/cross-entropy.ts";
import { cumSum, lower, segmentSums } from "./ops/cumulative.ts";
import { diagonalScan } from "./ops/diagonal-scan.ts";
import * as elementwise from "./ops/elementwise.ts";
import { columns } from "./ops/encoder.ts";
import { expertOrder, expertShares, toExperts, toSlots } from "./ops/expert-rows.ts";
import { gather } from "./ops/gather.ts";
import { groupedLinear } from "./ops/grouped-linear.ts";
import { cacheLengths, maskLengths, narrowMask } from "./ops/mask.ts";
import { linear, matmulTransposed } from "./ops/matmul.ts";
import { mixExperts } from "./ops/mix-experts.ts";
import { dropout, uniform } from "./ops/noise.ts";
import { layerNorm, rmsNorm, skipLayerNorm, skipRmsNorm } from "./ops/norm.ts";
import { positions } from "./ops/positions.ts";
import { full, repeat, spread, sum, sumTo } from "./ops/reduce.ts";
import { concat, reshape, reshapeLike, reverse, split, transpose } from "./ops/shape.ts";
import { softmax } from "./ops/softmax.ts";
import { chosenTopK, topK } from "./ops/top-k.ts";
import { tokenPlaces, tokenRows } from "./ops/unpad.ts";
import type { Tensor } from "./tensor.ts";

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

const losses: GradientCase[] = [
  {
    name: "crossEntropy",
    inputs: { logits: noise(1, [2, 3, 7]), targets: whole("i64", [2, 3], 0, 6, 3, 3, 1, 0) },
    trace: ({ logits, targets }) => [crossEntropy(logits!, targets!)],
  },
];

/** Within a row, numbers differ by more than the test's small change to an input. */
const chosenByBias: GradientCase = {
  name: "the greatest two by a bias",
  inputs: {
    x: { ...noise(1, [2, 3, 5]), data: Float64Array.from({ length: 30 }, (_, i) => ((7 * i) % 11) / 4) },
    bias: { ...noise(2, [5]), data: Float64Array.of(0.1, -0.9, 0.6, -0.3, 1.2) },
  },
  trace: ({ x, bias }) => [chosenTopK(x!, 2, { bias }).values],
};

const chosenInGroups: GradientCase = {
  ...chosenByBias,
  name: "the greatest two of the two greatest groups",
  inputs: { x: { ...noise(1, [2, 6]), data: Float64Array.from({ length: 12 }, (_, i) => ((7 * i) % 11) / 4) } },
  trace: ({ x }) => [chosenTopK(x!, 2, { groups: { count: 3, active: 2, best: 1 } }).values],
};

/** Four experts, two for each of six tokens; the third is not used. */
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
    const slots = toSlots(y, order);
    const again = toSlots(toExperts(slots, order, 1), order);
    const mixed = mixExperts(elementwise.plus(slots, elementwise.times(again, again)), softmax(values));
    return [mixed, expertShares(chosen, full(sum(values, 2), 0.5), 4)];
  },
}));

/** `experts` with one expert for each token. */
const oneExpert: GradientCase = {
  ...experts[0]!,
  name: "one expert of a token",
  trace({ x, logits, ...weights }) {
    const { values, chosen } = topK(logits!, 1);
    const order = expertOrder(chosen, 4);
    const matrices = Object.values(weights).slice(0, 4);
    const y = groupedLinear(toExperts(x!, order, 1), order.sizes, matrices, { rows: false });
    return [mixExperts(toSlots(y, order), values)];
  },
};

const random: GradientCase[] = [
  {
    name: "dropout, and noise",
    inputs: {
      x: noise(1, [2, 3, 5]),
      rows: whole("i32", [2, 3], 1_234_567_891, -987_654_321, 0, 2_147_483_647, -2_147_483_648, 55),
      columns: fixed({ dtype: "f32", shape: [5], data: Float64Array.of(1, 16_777_215, 9_871_235, 8_388_609, 77) }),
      keep: fixed({ dtype: "f32", shape: [], data: Float64Array.of(0.75) }),
    },
    trace: ({ x, rows, columns: c, keep }) => [elementwise.plus(dropout(x!, rows!, c!, keep!), uniform(rows!, c!))],
  },
];

/** Integer operators, which have no gradient. */
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
      const ahead = Object.values(aheadMask(lengths!, columns(ids!, 2), { past: 0 }));
      return [
        ...of,
        ...Object.values(maskLengths(ids!, mask!)),
        ...Object.values(cacheLengths(ids!, cache!)),
        ...ahead,
      ];
    },
  },
];

export const gradientCases: readonly GradientCase[] = [
  ...binary("plus", elementwise.plus),
  ...binary("minus", elementwise.minus),
  ...binary("times", elementwise.times),
  ...binary("divide", elementwise.divide),
  ...[[3, 5], [5]].map((shape) => ({
    name: `rows of [${shape}] times their factors`,
    inputs: { x: noise(1, shape), factors: noise(2, [2, ...shape.slice(0, -1)]) },
    trace: ({ x, factors }: Readonly<Record<string, Tensor>>) => [elementwise.timesRows(x!, factors!)],
  })),
  unary("a tensor used twice", (x) => elementwise.times(elementwise.plus(x, x), x)),
  unary("scale", (x) => elementwise.scale(x, -1.5)),
  unary("silu", elementwise.silu),
  unary("gelu", (x) => elementwise.gelu(x, "exact")),
  unary("gelu by tanh", (x) => elementwise.gelu(x, "tanh")),
  unary("tanh", elementwise.tanh),
  unary("relu", elementwise.relu),
  unary("sign", elementwise.sign),
  unary("clamp from both sides", (x) => elementwise.clamp(x, { least: -0.4, most: 0.3 })),
  unary("clamp from above", (x) => elementwise.clamp(x, { most: 0.3 })),
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
  ...images,
  ...losses,
  chosenByBias,
  chosenInGroups,
  ...experts,
  oneExpert,
  ...random,
  ...integers,
];
