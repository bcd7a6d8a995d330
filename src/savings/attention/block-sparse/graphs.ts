import {
  add,
  Graph,
  gather,
  linear,
  matmulTransposed,
  mul,
  reshape,
  softmax,
  split,
  sym,
  type Tensor,
  tileAttention,
  transpose,
  writeCache,
} from "../../../graph/index.ts";
import { type Decoder, firstAttending } from "../../../models/decoder/decoder.ts";
import { turnerOf } from "../../turner.ts";

// The numbers of query blocks in the chunk and of key blocks up to its end; all other sizes are multiples of them.
const rows = sym("rows");
const cols = sym("cols");

/** The sizes that every graph here needs. */
export interface BlockShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly blockSize: number;
}

/** qkv of whole blocks → `q` [heads, tokens, d], rotated; caches the rotated keys and the values from `first` on. */
export function tracePlace(decoder: Decoder, { heads, kvHeads, headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const tokens = mul(rows, blockSize);
  const qkv = g.input("qkv", "f32", [1, tokens, (heads + 2 * kvHeads) * headSize]);
  const first = g.input("first", "i64", [1]);
  const turner = turnerOf(decoder, g, firstAttending(decoder.config));
  const positions = turner.positions("positions", tokens);
  const cacheShape = [1, kvHeads, sym("capacity"), headSize];
  const caches = (["Key", "Value"] as const).map((n) => g.input(`past${n}`, "f32", cacheShape));
  const [q, k, v] = split(qkv, 2, [heads * headSize, kvHeads * headSize, kvHeads * headSize]) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const rotated = (x: Tensor, n: number) => turner.turned(x, positions, n);
  const byHead = (x: Tensor, n: number) => transpose(reshape(x, [1, tokens, n, headSize]), [0, 2, 1, 3]);
  g.output("q", reshape(byHead(rotated(q, heads), heads), [heads, tokens, headSize]));
  g.output("presentKey", writeCache(caches[0]!, byHead(rotated(k, kvHeads), kvHeads), first));
  g.output("presentValue", writeCache(caches[1]!, byHead(v, kvHeads), first));
  return g;
}

/** A mask for a block's scores with itself: 0 on and below the diagonal, −∞ above. */
function causalConstant(g: Graph, blockSize: number): Tensor {
  const mask = new Float32Array(blockSize * blockSize);
  for (let i = 0; i < blockSize; i++) mask.fill(Number.NEGATIVE_INFINITY, i * blockSize + i + 1, (i + 1) * blockSize);
  const shape = [blockSize, blockSize];
  return g.constant("causal", { dtype: "f32", shape }, { kind: "memory", bytes: new Uint8Array(mask.buffer) });
}

/** The cache blocks of a head named by `which` [count], concatenated: [count · blockSize, d]. */
const gathered = (blocks: Tensor, which: Tensor, { blockSize, headSize }: BlockShape): Tensor =>
  reshape(gather(blocks, which, 0), [mul(which.shape[0]!, blockSize), headSize]);

/**
 * Attention of `count` tiles of one key–value head; a tile is one query head's block of queries. Tile t reads `q{t}`
 * [1, b, d], its own keys `key{t}` [b, d], and the cache blocks [cols, b · d] at `kept{t}`, with its own block last;
 * `past{t}` is `kept{t}` without that block.
 */
export function traceTiles(shape: BlockShape, scale: number, count: number): Graph {
  const g = new Graph();
  const { headSize, blockSize } = shape;
  const [keys, values] = ["keys", "values"].map((n) => g.input(n, "f32", [cols, blockSize * headSize]));
  const causal = causalConstant(g, blockSize);
  for (let t = 0; t < count; t++) {
    const past = sym(`past${t}`);
    const tile = {
      q: g.input(`q${t}`, "f32", [1, blockSize, headSize]),
      key: g.input(`key${t}`, "f32", [blockSize, headSize]),
      pastKeys: gathered(keys!, g.input(`past${t}`, "i64", [past]), shape),
      values: gathered(values!, g.input(`kept${t}`, "i64", [add(past, 1)]), shape),
      causal,
    };
    g.output(`attended${t}`, tileAttention(tile, { scale }));
  }
  return g;
}

/** Attention of a tile without its own block (forceDiagonal=false); unmasked, since all keys precede the queries. */
export function traceOpenTile(shape: BlockShape, scale: number): Graph {
  const g = new Graph();
  const { headSize, blockSize } = shape;
  const indices = g.input("kept0", "i64", [sym("kept0")]);
  const [keys, values] = ["keys", "values"].map((n) =>
    gathered(g.input(n, "f32", [cols, blockSize * headSize]), indices, shape),
  );
  const q = g.input("q0", "f32", [1, blockSize, headSize]);
  g.output("attended0", linear(softmax(matmulTransposed(q, keys!, scale)), values!));
  return g;
}

/** Reorders the tiles' results, [heads, tokens, d], by token: `attended` [1, tokens, heads · d]. */
export function traceCollect({ heads, headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const tokens = mul(rows, blockSize);
  const tiles = g.input("tiles", "f32", [heads, tokens, headSize]);
  g.output("attended", reshape(transpose(tiles, [1, 0, 2]), [1, tokens, heads * headSize]));
  return g;
}
