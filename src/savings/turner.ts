import { type Dim, type Graph, rotaryEmbedding, scale, type Tensor } from "../graph/index.ts";
import type { Decoder } from "../models/decoder/decoder.ts";
import type { Tables } from "../nn/rope-axes.ts";

/** Suffixes of input and view names by axis; models with one axis use only the first. */
export const AXES = ["", "Height", "Width"] as const;

/** Rotates heads as a layer does, on one axis or three; without rotary embedding, heads do not change. */
export interface Turner {
  /** Position inputs, i64 [1, tokens], one per axis: `name`, `nameHeight`, `nameWidth`. */
  positions(name: string, tokens: Dim): readonly Tensor[];
  /** Rotates x [1, tokens, heads · d]; `back` undoes the rotation with negated sines. */
  turned(x: Tensor, positions: readonly Tensor[], heads: number, back?: boolean): Tensor;
}

export function turnerOf(decoder: Decoder, g: Graph, layer: number): Turner {
  const { rotary: pairs } = decoder.attention(layer);
  const tables = pairs === "none" ? [] : tablesOf(decoder, g, layer);
  return {
    positions: (name, tokens) => tables.map((_, axis) => g.input(`${name}${AXES[axis]}`, "i64", [1, tokens])),
    turned(x, positions, heads, back = false) {
      if (pairs === "none") return x;
      const turn = (y: Tensor, { cos, sin }: Tables, axis: number) =>
        rotaryEmbedding(y, positions[axis]!, { cos, sin: back ? scale(sin, -1) : sin }, { heads, pairs });
      return tables.reduce(turn, x);
    },
  };
}

function tablesOf(decoder: Decoder, g: Graph, layer: number): readonly Tables[] {
  const axes = decoder.axes?.(g, layer);
  if (axes) return axes;
  const own = decoder.rotary(g, layer);
  return own ? [own] : [];
}
