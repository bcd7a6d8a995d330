import {
  Graph,
  gather,
  matmul,
  matmulTransposed,
  mul,
  plus,
  reshape,
  softmax,
  sym,
  transpose,
} from "../../../graph/index.ts";
import type { BlockShape } from "../block-sparse/graphs.ts";

const [tiles, queriesEach, keysEach] = [sym("tiles"), sym("queriesEach"), sym("keysEach")];
const [tokens, entries, slots] = [sym("tokens"), sym("entries"), sym("slots")];

type HeadShape = Pick<BlockShape, "heads" | "headSize">;

/**
 * Attention of one query head in tiles: of `q` [tokens, d] the `queries` [tiles, queriesEach], over `chosen` [tiles, keysEach] of `keys` and
 * `values` [entries, d], with a `mask` that is added → `attended` [tiles · queriesEach, d].
 */
export function traceTileGroups({ headSize }: HeadShape, scale: number): Graph {
  const g = new Graph();
  const q = gather(g.input("q", "f32", [tokens, headSize]), g.input("queries", "i64", [tiles, queriesEach]), 0);
  const chosen = g.input("chosen", "i64", [tiles, keysEach]);
  const [keys, values] = (["keys", "values"] as const).map((name) =>
    gather(g.input(name, "f32", [entries, headSize]), chosen, 0),
  );
  const mask = g.input("mask", "f32", [tiles, queriesEach, keysEach]);
  const attended = matmul(softmax(plus(matmulTransposed(q, keys!, scale), mask)), values!);
  g.output("attended", reshape(attended, [mul(tiles, queriesEach), headSize]));
  return g;
}

/** Puts results in order: `slots` [heads, slots, d] → `attended` [1, tokens, heads · d], whose token t is in slot `slotOf[t]`. */
export function traceOrder({ heads, headSize }: HeadShape): Graph {
  const g = new Graph();
  const all = g.input("slots", "f32", [heads, slots, headSize]);
  const ordered = gather(all, g.input("slotOf", "i64", [tokens]), 1);
  g.output("attended", reshape(transpose(ordered, [1, 0, 2]), [1, tokens, heads * headSize]));
  return g;
}
