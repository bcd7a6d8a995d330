import type { Graph, Node } from "./graph.ts";
import { costOf, type Op } from "./op.ts";
import { exp, log } from "./ops/elementwise.ts";
import { DECAY, isGatedScan } from "./ops/linear-attention.ts";
import { type HalfFormat, round } from "./ops/round.ts";
import { type Changes, rebuilt } from "./rebuild.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Precisions; all but the first are simulated by rounding in float32. `amp-…` rounds the inputs and results of
 * products, like autocast; scans keep their state and decays in float32. `pure-bf16` rounds weights, inputs and all
 * results, except losses and the integers from which noise is computed.
 */
export const precisionPolicies = ["fp32", "amp-bf16", "amp-fp16", "pure-bf16"] as const;
export type PrecisionPolicy = (typeof precisionPolicies)[number];

/** Operands that mixed precision leaves in float32. */
const WIDE = new Set(["state", "decay", "sum", "like"]);
/** Losses, which stay in float32 in every precision. */
const LOSSES = new Set(["crossEntropy", "crossEntropyBackward", "logLikelihoods"]);

/** The graph changes that simulate a precision. */
export function roundings(precision: PrecisionPolicy): Changes {
  switch (precision) {
    case "fp32":
      return {};
    case "amp-bf16":
      return mixed("bf16");
    case "amp-fp16":
      return mixed("fp16");
    case "pure-bf16":
      return pure("bf16");
  }
}

/** The same graph, simulating a precision. */
export const inPrecision = (graph: Graph, precision: PrecisionPolicy): Graph =>
  precision === "fp32" ? graph : rebuilt(graph, roundings(precision));

function mixed(format: HalfFormat): Changes {
  const rounded = once(format);
  return {
    operand: (node, i, tensor) => (isProduct(node) && !WIDE.has(node.op.operands[i] ?? "") ? rounded(tensor) : tensor),
    result: (node, i, tensor) => (isProduct(node) && !isState(node, i) ? rounded(tensor) : tensor),
  };
}

function pure(format: HalfFormat): Changes {
  const rounded = once(format);
  return {
    operand(node, i, tensor) {
      if (LOSSES.has(node.op.name) || node.op.operands[i] === "columns") return tensor;
      const value = rounded(tensor);
      // A scan multiplies by the exponential of its decays, so that exponential is rounded.
      return isGatedScan(node) && i === DECAY ? log(round(exp(value), format)) : value;
    },
    result: (node, _, tensor) => (LOSSES.has(node.op.name) ? tensor : rounded(tensor)),
  };
}

/** Rounds each float tensor only once, even if called with it again. */
function once(format: HalfFormat): (tensor: Tensor) => Tensor {
  const known = new WeakMap<Tensor, Tensor>();
  return (tensor) => {
    if (tensor.dtype !== "f32") return tensor;
    const rounded = known.get(tensor) ?? round(tensor, format);
    known.set(tensor, rounded).set(rounded, rounded);
    return rounded;
  };
}

/** True for operators with FLOPs: matrix products, convolutions, attention, scans. */
const isProduct = ({ op, inputs, outputs, attrs }: Node): boolean =>
  !LOSSES.has(op.name) && !isScan(op) && costOf(op, inputs, outputs, attrs).flops !== 0;

/** In training, a scan reads all its inputs in float32. */
const isScan = ({ name }: Op<unknown>): boolean => name === "diagonalScan";

const isState = (node: Node, result: number): boolean => isGatedScan(node) && result === 1;
