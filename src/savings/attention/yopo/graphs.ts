import {
  concat,
  Graph,
  gather,
  matmul,
  matmulTransposed,
  mul,
  plus,
  reshape,
  softmax,
  sym,
  type Tensor,
  transpose,
} from "../../../graph/index.ts";
import type { BlockShape } from "../block-sparse/graphs.ts";
import type { HeadDrop } from "./options.ts";

/** A head's kind for visual tokens: kept, or dropped in one of two ways. */
export type HeadKind = "kept" | HeadDrop;

const [tokens, capacity, some, slots] = ["tokens", "capacity", "some", "slots"].map((name) => sym(name));

/**
 * Attention of some heads, separately for visual and text tokens: the heads `heads` [some] of `q` [heads, tokens, d], with
 * the keys and values of `kvHeads` [some] in the cache → `attended` [some, slots, d]: visual tiles' results, then text's. In
 * dropped heads, the visual results are `zeros` [some, slots of visual tiles, d]; with `post-softmax-zero`, text's weights
 * come from a softmax over all keys, and only the keys at `seen` [seen] count.
 */
export function traceHeads(shape: BlockShape, scale: number, heads: HeadKind): Graph {
  const g = new Graph();
  const { kvHeads, headSize } = shape;
  const q = gather(g.input("q", "f32", [shape.heads, tokens!, headSize]), g.input("heads", "i64", [some!]), 0);
  const which = g.input("kvHeads", "i64", [some!]);
  const [held, values] = ["keys", "values"].map((name) =>
    reshape(g.input(name, "f32", [1, kvHeads, capacity!, headSize]), [kvHeads, capacity!, headSize]),
  );
  const seen = heads === "post-softmax-zero" ? g.input("seen", "i64", [sym("seen")]) : undefined;
  const attend = (kind: string): Tensor => {
    const [count, queries, keys] = ["Tiles", "Queries", "Keys"].map((name) => sym(`${kind}${name}`));
    const chosen = g.input(`${kind}Keys`, "i64", [count!, keys!]);
    const ofHeads = (x: Tensor, entries: Tensor) => gather(gather(x, entries, 1), which, 0);
    const own = gather(q, g.input(`${kind}Queries`, "i64", [count!, queries!]), 1);
    const mask = g.input(`${kind}Mask`, "f32", [count!, queries!, keys!]);
    const weights = softmax(plus(matmulTransposed(own, ofHeads(held!, chosen), scale), mask));
    const attended = seen
      ? matmul(gather(weights, seen, 3), ofHeads(values!, gather(chosen, seen, 1)))
      : matmul(weights, ofHeads(values!, chosen));
    return reshape(attended, [some!, mul(count!, queries!), headSize]);
  };
  const ofVisual = heads === "kept" ? attend("visual") : g.input("zeros", "f32", [some!, sym("zeroSlots"), headSize]);
  g.output("attended", concat([ofVisual, attend("text")], 1));
  return g;
}

/**
 * Reorders results by head and token: `slots` [heads, slots, d] → `attended` [1, tokens, heads · d]. Head h is at
 * `placeOf[h]`, token t in slot `slotOf[t]`.
 */
export function traceOrder({ heads, headSize }: Pick<BlockShape, "heads" | "headSize">): Graph {
  const g = new Graph();
  const all = g.input("slots", "f32", [heads, slots!, headSize]);
  const ofTokens = gather(all, g.input("slotOf", "i64", [tokens!]), 1);
  const ordered = gather(ofTokens, g.input("placeOf", "i64", [heads]), 0);
  g.output("attended", reshape(transpose(ordered, [1, 0, 2]), [1, tokens!, heads * headSize]));
  return g;
}
