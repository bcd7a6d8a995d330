import {
  concat,
  full,
  gather,
  groupedLinear,
  groupedQuantizedLinear,
  mixExperts,
  plus,
  type QuantizedMatrix,
  reshape,
  type Tensor,
  timesRows,
  toExperts,
  toSlots,
} from "../../graph/index.ts";
import type { Matrix } from "../../weights/weight-source.ts";
import { type Activation, activateMlp } from "../mlp.ts";
import type { Routing } from "./route.ts";

/** Multiplies rows grouped by expert [rows, inputs] by their experts' matrices, all in one form: [rows, outputs]. */
export function projectGroups(x: Tensor, sizes: Tensor, matrices: readonly Matrix[]): Tensor {
  const floats: Tensor[] = [];
  const blocks: QuantizedMatrix[] = [];
  for (const matrix of matrices)
    if (matrix.kind === "blocks") blocks.push(matrix.matrix);
    else if (matrix.kind === "bytes") throw new Error("experts do not support byte weights");
    else floats.push(matrix.weight);
  if (floats.length === 0) return groupedQuantizedLinear(x, sizes, blocks);
  if (blocks.length > 0) throw new Error("some experts' matrices are in blocks and others are not");
  return groupedLinear(x, sizes, floats, { rows: matrices[0]!.kind === "float32 rows" });
}

/** A feed-forward's matrices, with one of each kind per expert. */
export interface ExpertMatrices {
  /** Gate above up if gated: [2·width, hidden], or [width, hidden]. */
  readonly inside: readonly Matrix[];
  /** [hidden, width] */
  readonly down: readonly Matrix[];
}

/** The biases of experts' feed-forwards, one row per expert. */
export interface ExpertBiases {
  /** Ordered as the rows of `ExpertMatrices.inside`: [experts, width] each. */
  readonly inside: readonly Tensor[];
  /** [experts, hidden] */
  readonly down: Tensor;
}

interface MixOptions {
  readonly biases?: ExpertBiases | undefined;
  /** True if gates multiply the experts' inputs, not their outputs. */
  readonly gatedInputs?: boolean | undefined;
}

/**
 * A mixture of feed-forwards (Shazeer et al. 2017): x [..., hidden] → the sum of its experts' outputs, weighted by their
 * gates.
 */
export function mixFeedForwards(
  x: Tensor,
  routing: Routing,
  { inside, down }: ExpertMatrices,
  activation: Activation,
  gated: boolean,
  { biases, gatedInputs = false }: MixOptions = {},
): Tensor {
  const { sizes, chosen, gates, order } = routing;
  const inputs = toExperts(x, routing, Number(chosen.shape.at(-1)));
  const ofRows = () => gather(reshape(gates, order.shape), order, 0);
  const rows = projectGroups(gatedInputs ? timesRows(inputs, ofRows()) : inputs, sizes, inside);
  const biased = biases ? plus(rows, insideBiases(biases, routing)) : rows;
  const outputs = toSlots(projectGroups(activateMlp(biased, activation, gated), sizes, down), routing);
  const biasedOutputs = biases ? plus(outputs, gather(biases.down, chosen, 0)) : outputs;
  return mixExperts(biasedOutputs, gatedInputs ? full(gates, 1) : gates);
}

/** The biases of each row's expert, in adjacent columns. */
function insideBiases({ inside }: ExpertBiases, { chosen, order }: Routing): Tensor {
  const ofRows = gather(reshape(chosen, order.shape), order, 0);
  const each = inside.map((table) => gather(table, ofRows, 0));
  return each.length === 1 ? each[0]! : concat(each, 1);
}
