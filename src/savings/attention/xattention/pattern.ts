import { seededRandom, shuffle } from "../../../util/random.ts";
import type { XattentionOptions } from "./options.ts";

/** Patterns that sample one query for every key of a tile; `mean-pool` samples all pairs and needs no order. */
export type SampledPattern = Exclude<XattentionOptions["select"], "mean-pool">;

export interface OrderOptions extends Pick<XattentionOptions, "stride" | "seed" | "alternateShift"> {
  select: SampledPattern;
}

export interface QueryOrderOptions extends OrderOptions {
  /** Groups of `stride` queries to order. */
  groups: number;
  /** Index of the first group in the prompt, so that chunks have the same order as the whole prompt. */
  firstGroup: number;
}

/**
 * The sampled pairs of queries and keys for every group of `stride` queries: entry `group * stride + t` is the query
 * for key `t` of every key group, counted from the first group's first token. Queries gathered in this order and
 * reshaped to `[groups, stride * headDim]`, times keys `[groups, stride * headDim]`, give the sums of the sampled
 * entries.
 *
 * The antidiagonal (arXiv 2503.16428, section 3.1) reverses each group. With an even stride all its pairs are an odd
 * distance apart; `alternateShift` rotates every second group by one, so that its pairs are an even distance apart.
 */
export function queryOrder(options: QueryOrderOptions): Int32Array {
  const { stride, groups } = options;
  const order = new Int32Array(groups * stride);
  for (let group = 0; group < groups; group++) {
    const within = groupOrder(options, options.firstGroup + group);
    for (let t = 0; t < stride; t++) order[group * stride + t] = group * stride + within[t]!;
  }
  return order;
}

function groupOrder({ select, stride, seed, alternateShift }: QueryOrderOptions, group: number): Int32Array {
  const order = Int32Array.from({ length: stride }, (_, t) => t);
  switch (select) {
    case "diagonal":
      return order;
    case "random":
      return shuffle(order, seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ group));
    case "antidiagonal": {
      const shift = alternateShift ? group % 2 : 0;
      return order.map((t) => (stride - 1 - t + shift) % stride);
    }
  }
}
