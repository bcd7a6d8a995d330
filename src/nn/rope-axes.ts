import { concat, rotaryEmbedding, split, type Tensor } from "../graph/index.ts";
import { type RopeConfig, ropeTable } from "./rope.ts";

/** Rotary tables. */
export interface Tables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Positions by time, height and width. */
export type Axes<T> = readonly [time: T, height: T, width: T];

/**
 * The number of pairs of a head's elements that rotate by each axis. The axes' sections follow each other or are
 * interleaved: the axes take one pair each in turn while height and width have pairs left, then time takes the rest.
 */
export interface Sections {
  readonly pairs: Axes<number>;
  readonly woven: boolean;
}

/** The axis of a pair. */
function axisOf(pair: number, { pairs, woven }: Sections): number {
  const [time, height] = pairs;
  if (!woven) return pair < time ? 0 : pair < time + height ? 1 : 2;
  const axis = pair % 3;
  return pair < 3 * pairs[axis]! ? axis : 0;
}

/**
 * A rotary table of one axis of M-RoPE (Wang et al. 2024, Qwen2-VL, section 2.1): only the axis's pairs of elements
 * rotate, by positions on the axis.
 */
export function axisTable(
  of: "cos" | "sin",
  rope: RopeConfig,
  sections: Sections,
  axis: number,
): Float32Array<ArrayBuffer> {
  const half = rope.headSize / 2;
  const still = of === "cos" ? 1 : 0;
  return ropeTable(Math[of], rope).map((value, i) => (axisOf(i % half, sections) === axis ? value : still));
}

/** The heads of a layer's queries, keys and values side by side. */
interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/**
 * Rotates the queries and keys of qkv [batch, tokens, (heads + 2·kvHeads)·headSize] by each axis; rotations in one
 * plane add up. `positions` are i64 [batch, tokens].
 */
export function turnByAxes(
  qkv: Tensor,
  { heads, kvHeads, headSize }: Heads,
  tables: Axes<Tables>,
  positions: Axes<Tensor>,
): Tensor {
  const [turning, v] = split(qkv, 2, [(heads + kvHeads) * headSize, kvHeads * headSize]) as [Tensor, Tensor];
  const attrs = { heads: heads + kvHeads, pairs: "half" } as const;
  return concat([tables.reduce((x, table, axis) => rotaryEmbedding(x, positions[axis]!, table, attrs), turning), v], 2);
}
