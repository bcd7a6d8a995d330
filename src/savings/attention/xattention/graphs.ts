import {
  add,
  Graph,
  gather,
  linear,
  matmulTransposed,
  mul,
  plus,
  reshape,
  rotaryEmbedding,
  softmax,
  split,
  sum,
  sym,
  type Tensor,
  tileAttention,
  times,
  transpose,
  writeCache,
} from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder.ts";

// Query blocks of the chunk, key blocks up to its end: all other sizes are multiples.
const rows = sym("rows");
const cols = sym("cols");

/** The sizes that every graph here needs. */
export interface BlockShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly blockSize: number;
  readonly stride: number;
}

/** qkv of whole blocks → rotated `q` [heads, tokens, d]; rotated keys and values written into the cache at `first`. */
export function tracePlace(decoder: Decoder, { heads, kvHeads, headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const tokens = mul(rows, blockSize);
  const qkv = g.input("qkv", "f32", [1, tokens, (heads + 2 * kvHeads) * headSize]);
  const first = g.input("first", "i64", [1]);
  const cacheShape = [1, kvHeads, sym("capacity"), headSize];
  const caches = (["Key", "Value"] as const).map((n) => g.input(`past${n}`, "f32", cacheShape));
  const [q, k, v] = split(qkv, 2, [heads * headSize, kvHeads * headSize, kvHeads * headSize]) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const { rotary: pairs } = decoder.attention(0);
  const tables = pairs === "none" ? undefined : decoder.rotary(g, 0);
  const rotated = (x: Tensor, n: number) =>
    pairs === "none" || !tables ? x : rotaryEmbedding(x, first, tables, { heads: n, pairs });
  const byHead = (x: Tensor, n: number) => transpose(reshape(x, [1, tokens, n, headSize]), [0, 2, 1, 3]);
  g.output("q", reshape(byHead(rotated(q, heads), heads), [heads, tokens, headSize]));
  g.output("presentKey", writeCache(caches[0]!, byHead(rotated(k, kvHeads), kvHeads), first));
  g.output("presentValue", writeCache(caches[1]!, byHead(v, kvHeads), first));
  return g;
}

/**
 * Strided scores of one key–value head's queries (spec b.2): `q` [group, tokens, d] taken in `order`, keys regrouped by stride, softmax over
 * the groups that `mask` leaves, summed into blocks: `scores` [group · rows, cols].
 */
export function traceStridedScores({ heads, kvHeads, headSize, blockSize, stride }: BlockShape): Graph {
  const g = new Graph();
  const group = heads / kvHeads;
  const per = blockSize / stride;
  const [n, m] = [mul(rows, per), mul(cols, per)];
  const q = g.input("q", "f32", [group, mul(rows, blockSize), headSize]);
  const order = g.input("order", "i64", [mul(rows, blockSize)]);
  const keys = g.input("keys", "f32", [m, stride * headSize]);
  const mask = g.input("mask", "f32", [n, m]);
  const regrouped = reshape(gather(q, order, 1), [group, n, stride * headSize]);
  const mass = softmax(plus(matmulTransposed(regrouped, keys, 1 / (Math.sqrt(headSize) * stride)), mask));
  const byRow = sum(reshape(mass, [mul(group, rows), per, m]), 1);
  g.output("scores", sum(reshape(byRow, [mul(group, rows), cols, per]), 2));
  return g;
}

/**
 * The control that pools: softmax over key blocks of mean query · mean key, `scores` [group, rows, cols]; `pairs` one over the number
 * of query-key pairs of two blocks (the last may be part filled), `mask` 0 or −∞, both [rows, cols].
 */
export function tracePooledScores({ heads, kvHeads, headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const group = heads / kvHeads;
  const q = g.input("q", "f32", [group, mul(rows, blockSize), headSize]);
  const keys = g.input("keys", "f32", [cols, blockSize * headSize]);
  const pairs = g.input("pairs", "f32", [rows, cols]);
  const mask = g.input("mask", "f32", [rows, cols]);
  const queries = sum(reshape(q, [mul(group, rows), blockSize, headSize]), 1);
  const pooled = sum(reshape(keys, [cols, blockSize, headSize]), 1);
  const products = matmulTransposed(reshape(queries, [group, rows, headSize]), pooled, 1 / Math.sqrt(headSize));
  g.output("scores", softmax(plus(times(products, pairs), mask)));
  return g;
}

/** Exact probabilities of some queries (MInference and FlexPrefill look at a chunk's last ones): `probabilities` [group, queries, keys]. */
export function traceLastAttention({ heads, kvHeads, headSize }: BlockShape): Graph {
  const g = new Graph();
  const group = heads / kvHeads;
  const [queries, keyCount] = [sym("queries"), sym("keys")];
  const q = g.input("q", "f32", [group, sym("tokens"), headSize]);
  const picked = gather(q, g.input("which", "i64", [queries]), 1);
  const keys = g.input("keys", "f32", [keyCount, headSize]);
  const mask = g.input("mask", "f32", [queries, keyCount]);
  g.output("probabilities", softmax(plus(matmulTransposed(picked, keys, 1 / Math.sqrt(headSize)), mask)));
  return g;
}

/** Copies the kept blocks of one key–value head side by side: `which` [kept] of the cache's blocks. */
export function traceGather({ headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const which = g.input("which", "i64", [sym("kept")]);
  for (const part of ["keys", "values"] as const) {
    const blocks = g.input(part, "f32", [cols, blockSize * headSize]);
    g.output(`${part}Kept`, gather(blocks, which, 0));
  }
  return g;
}

/** Attention of one tile, one head's query block, to its kept blocks. */
export function traceTile({ headSize, blockSize }: BlockShape, scaleFactor: number): Graph {
  const g = new Graph();
  const past = sym("past");
  const own = (name: string) => g.input(name, "f32", [1, blockSize, headSize]);
  const kept = (name: string) => g.input(name, "f32", [1, 1, add(past, blockSize), headSize]);
  const tensors = { q: own("q"), key: own("key"), value: own("value"), keys: kept("keys"), values: kept("values") };
  const lengths = { lengths: g.input("lengths", "i32", [1]), total: g.input("total", "i32", []) };
  const { y, keys, values } = tileAttention({ ...tensors, ...lengths }, { scale: scaleFactor, past });
  g.output("attendedTile", y);
  g.output("keysOut", keys);
  g.output("valuesOut", values);
  return g;
}

/** The same where the tile's own block was not kept (forceDiagonal=false): all keys are before the queries, so nothing is masked. */
export function traceOpenTile({ headSize, blockSize }: BlockShape, scaleFactor: number): Graph {
  const g = new Graph();
  const kept = (name: string) => g.input(name, "f32", [mul(sym("kept"), blockSize), headSize]);
  const [keys, values] = [kept("keys"), kept("values")];
  const q = g.input("q", "f32", [1, blockSize, headSize]);
  g.output("attendedTile", linear(softmax(matmulTransposed(q, keys, scaleFactor)), values));
  return g;
}

/** What the tiles gave, [heads, tokens, d], token by token: `attended` [1, tokens, heads · d]. */
export function traceCollect({ heads, headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const tokens = mul(rows, blockSize);
  const tiles = g.input("tiles", "f32", [heads, tokens, headSize]);
  g.output("attended", reshape(transpose(tiles, [1, 0, 2]), [1, tokens, heads * headSize]));
  return g;
}
