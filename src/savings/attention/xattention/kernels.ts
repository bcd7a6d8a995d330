import { evalCost, type Spent } from "../../../graph/index.ts";
import type { KvCache } from "../../../models/cache.ts";
import type { Decoder } from "../../../models/decoder.ts";
import { Buffer, type View, ViewSet } from "../../../runtime/buffer.ts";
import { environment } from "../../../runtime/ort/environment.ts";
import { Program } from "../../../runtime/program.ts";
import type { BlockMask } from "./block-mask.ts";
import {
  type BlockShape,
  traceCollect,
  traceGather,
  traceLastAttention,
  traceOpenTile,
  tracePlace,
  tracePooledScores,
  traceStridedScores,
  traceTile,
} from "./graphs.ts";

/** A chunk of whole query blocks at a place in one layer's cache; `tokens` of it are real, the rest zeros. */
export interface Chunk {
  readonly cache: KvCache;
  readonly layer: number;
  /** Tokens before the chunk: a multiple of the block size. */
  readonly past: number;
  readonly tokens: number;
}

/** Blocks copied at once: enough to spread over the threads, few enough to stay in the processor's cache. */
const GATHERED_BLOCKS = 512;

interface Tile {
  readonly head: number;
  readonly row: number;
  readonly kept: Int32Array;
}

/** The compiled parts of block-sparse attention, with the buffers between them. Weightless: they serve every layer. */
export class SparseKernels implements Disposable {
  readonly #q: Buffer;
  readonly #tiles: Buffer;
  readonly #first = new Buffer("i64", 1);
  readonly #order: Buffer;
  readonly #which: Buffer;
  readonly #keys: Buffer;
  readonly #values: Buffer;
  /** Entry n holds n·blockSize − 1, and n·blockSize: the lengths of a tile with n blocks. */
  readonly #lengths: Buffer;
  readonly #totals: Buffer;
  readonly #programs: Awaited<ReturnType<typeof compileAll>>;

  private constructor(
    readonly shape: BlockShape,
    maxRows: number,
    maxCols: number,
    programs: Awaited<ReturnType<typeof compileAll>>,
  ) {
    const { heads, headSize, blockSize } = shape;
    this.#programs = programs;
    this.#q = new Buffer("f32", heads * maxRows * blockSize * headSize);
    this.#tiles = new Buffer("f32", heads * maxRows * blockSize * headSize);
    this.#order = new Buffer("i64", maxRows * blockSize);
    // One row may keep more blocks than a batch has room for.
    const blocksAtOnce = Math.max(GATHERED_BLOCKS, maxCols);
    const gathered = blocksAtOnce * blockSize * headSize;
    this.#which = new Buffer("i64", blocksAtOnce);
    this.#keys = new Buffer("f32", gathered);
    this.#values = new Buffer("f32", gathered);
    this.#lengths = new Buffer("i32", maxCols + 1);
    this.#totals = new Buffer("i32", maxCols + 1);
    const blocks = Int32Array.from({ length: maxCols + 1 }, (_, n) => n * blockSize);
    new Int32Array(this.#totals.memory).set(blocks);
    new Int32Array(this.#lengths.memory).set(blocks.map((total) => total - 1));
  }

  /** For chunks of at most `maxRows` query blocks, in caches of at most `maxCols` blocks. */
  static async create(decoder: Decoder, shape: BlockShape, maxRows: number, maxCols: number): Promise<SparseKernels> {
    return new SparseKernels(shape, maxRows, maxCols, await compileAll(decoder, shape));
  }

  rows(chunk: Chunk): number {
    return Math.ceil(chunk.tokens / this.shape.blockSize);
  }

  cols(chunk: Chunk): number {
    return chunk.past / this.shape.blockSize + this.rows(chunk);
  }

  /** Rotates the chunk's queries and keys, and writes keys and values into the cache. `qkv` has zeros after its last token. */
  async place(chunk: Chunk, qkv: View): Promise<void> {
    const { key, value } = chunk.cache.layer(chunk.layer);
    new BigInt64Array(this.#first.memory)[0] = BigInt(chunk.past);
    await this.#programs.place
      .bind({
        qkv,
        first: this.#first.view([1]),
        pastKey: key,
        presentKey: key,
        pastValue: value,
        presentValue: value,
        q: this.#headsView(this.#q, 0, this.shape.heads, this.rows(chunk)),
      })
      .run();
  }

  #headsView(buffer: Buffer, first: number, heads: number, rows: number): View {
    const { blockSize, headSize } = this.shape;
    return buffer.view([heads, rows * blockSize, headSize], first * rows * blockSize * headSize);
  }

  /** Query order of the strided scores: which token meets which key of a tile; see `queryOrder`. */
  set order(order: Int32Array) {
    new BigInt64Array(this.#order.memory).set(Array.from(order, BigInt));
  }

  /** Block scores of all heads, [heads, rows, cols]; `mask` is 0 or −∞ for [rows·b, cols·b] groups. Adds what it cost to `bill`. */
  async stridedScores(chunk: Chunk, mask: View, bill: (cost: Spent) => void): Promise<Float32Array> {
    const { stride, headSize, blockSize } = this.shape;
    const keyRows = (this.cols(chunk) * blockSize) / stride;
    const order = this.#order.view([this.rows(chunk) * blockSize]);
    return this.#scores(
      chunk,
      this.#programs.strided,
      { order, mask },
      [keyRows, stride * headSize],
      bill,
      (g, r, c) => [g * r, c],
    );
  }

  /** Scores of mean-pooled blocks, [heads, rows, cols]; `mask` and `pairs` [rows, cols]. */
  async pooledScores(
    chunk: Chunk,
    shared: { mask: View; pairs: View },
    bill: (cost: Spent) => void,
  ): Promise<Float32Array> {
    const { blockSize, headSize } = this.shape;
    return this.#scores(
      chunk,
      this.#programs.pooled,
      shared,
      [this.cols(chunk), blockSize * headSize],
      bill,
      (g, r, c) => [g, r, c],
    );
  }

  async #scores(
    chunk: Chunk,
    program: Program,
    shared: Record<string, View>,
    [keyRows, width]: [number, number],
    bill: (cost: Spent) => void,
    shapeOf: (group: number, rows: number, cols: number) => number[],
  ): Promise<Float32Array> {
    const { heads, kvHeads } = this.shape;
    const [rows, cols, group] = [this.rows(chunk), this.cols(chunk), heads / kvHeads];
    using scores = new Buffer("f32", heads * rows * cols);
    for (let h = 0; h < kvHeads; h++) {
      const q = this.#headsView(this.#q, h * group, group, rows);
      const keys = chunk.cache.head(chunk.layer, h, keyRows, width).key;
      await program
        .bind({ ...shared, q, keys, scores: scores.view(shapeOf(group, rows, cols), h * group * rows * cols) })
        .run();
      bill(evalCost(program.cost, { rows, cols }));
    }
    return new Float32Array(scores.memory).slice();
  }

  /** Exact probabilities [heads, queries, past + tokens] of the chunk's last queries. */
  async lastAttention(chunk: Chunk, queries: number, bill: (cost: Spent) => void): Promise<Float32Array> {
    const { heads, kvHeads, headSize } = this.shape;
    const [rows, group, keys] = [this.rows(chunk), heads / kvHeads, chunk.past + chunk.tokens];
    using which = new Buffer("i64", queries);
    using mask = new Buffer("f32", queries * keys);
    using probabilities = new Buffer("f32", heads * queries * keys);
    const firstQuery = chunk.tokens - queries;
    new BigInt64Array(which.memory).set(Array.from({ length: queries }, (_, i) => BigInt(firstQuery + i)));
    const masked = new Float32Array(mask.memory).fill(0);
    for (let i = 0; i < queries; i++)
      masked.fill(Number.NEGATIVE_INFINITY, i * keys + chunk.past + firstQuery + i + 1, (i + 1) * keys);
    for (let h = 0; h < kvHeads; h++) {
      const binding = {
        q: this.#headsView(this.#q, h * group, group, rows),
        which: which.view([queries]),
        keys: chunk.cache.head(chunk.layer, h, keys, headSize).key,
        mask: mask.view([queries, keys]),
        probabilities: probabilities.view([group, queries, keys], h * group * queries * keys),
      };
      await this.#programs.last.bind(binding).run();
      bill(evalCost(this.#programs.last.cost, { queries, keys, tokens: rows * this.shape.blockSize }));
    }
    return new Float32Array(probabilities.memory).slice();
  }

  /** Attention to the mask's blocks; heads of the mask are query heads, or key–value heads that their group shares. */
  async attend(
    chunk: Chunk,
    mask: BlockMask,
    attended: View,
    bill: { run(c: Spent): void; overhead(c: Spent): void },
  ): Promise<void> {
    const { heads, kvHeads } = this.shape;
    const rows = this.rows(chunk);
    for (let kv = 0; kv < kvHeads; kv++) {
      const tiles: Tile[] = [];
      for (let head = (kv * heads) / kvHeads; head < ((kv + 1) * heads) / kvHeads; head++)
        for (let row = 0; row < rows; row++)
          tiles.push({ head, row, kept: mask.row(((head * mask.heads) / heads) | 0, row) });
      for (const batch of batches(tiles)) await this.#runTiles(chunk, kv, batch, bill);
    }
    const tiles = this.#headsView(this.#tiles, 0, heads, rows);
    await this.#programs.collect.bind({ tiles, attended }).run();
  }

  async #runTiles(
    chunk: Chunk,
    kv: number,
    tiles: readonly Tile[],
    bill: { run(c: Spent): void; overhead(c: Spent): void },
  ) {
    const places = await this.#gather(chunk, kv, tiles, bill);
    let next = 0;
    const worker = async () => {
      while (next < tiles.length) {
        const i = next++;
        await this.#runTile(chunk, kv, tiles[i]!, places[i]!, bill);
      }
    };
    await Promise.all(Array.from({ length: environment().threads }, worker));
  }

  /** Copies the tiles' blocks side by side; a tile that keeps every block so far reads the cache itself. Returns each tile's first block. */
  async #gather(
    chunk: Chunk,
    kv: number,
    tiles: readonly Tile[],
    bill: { overhead(c: Spent): void },
  ): Promise<(number | "cache")[]> {
    const { blockSize, headSize } = this.shape;
    const which = new BigInt64Array(this.#which.memory);
    let kept = 0;
    const places = tiles.map((tile) => {
      if (this.#isFull(chunk, tile)) return "cache";
      for (const block of tile.kept) which[kept++] = BigInt(block);
      return kept - tile.kept.length;
    });
    if (kept === 0) return places;
    const cols = this.cols(chunk);
    const source = chunk.cache.head(chunk.layer, kv, cols, blockSize * headSize);
    using views = new ViewSet();
    const [keysKept, valuesKept] = [this.#keys, this.#values].map((b) => views.of(b, [kept, blockSize * headSize], 0));
    const bound = { keysKept: keysKept!, valuesKept: valuesKept!, which: views.of(this.#which, [kept], 0) };
    await this.#programs.gather.bind({ ...bound, keys: source.key, values: source.value }).run();
    bill.overhead(evalCost(this.#programs.gather.cost, { kept, cols }));
    return places;
  }

  #isFull(chunk: Chunk, { row, kept }: Tile): boolean {
    return kept.length === chunk.past / this.shape.blockSize + row + 1;
  }

  async #runTile(
    chunk: Chunk,
    kv: number,
    tile: Tile,
    place: number | "cache",
    bill: { run(c: Spent): void },
  ): Promise<void> {
    const { blockSize, headSize } = this.shape;
    const n = tile.kept.length;
    const block = [1, blockSize, headSize];
    const size = blockSize * headSize;
    const at = (tile.head * this.rows(chunk) + tile.row) * size;
    using views = new ViewSet();
    const q = this.#q.view(block, at);
    const attendedTile = this.#tiles.view(block, at);
    const kept =
      place === "cache"
        ? chunk.cache.place(chunk.layer, kv, 0)
        : { key: this.#keys, value: this.#values, offset: place * size };
    if (tile.kept.at(-1) !== chunk.past / blockSize + tile.row) {
      const keys = views.of(kept.key, [n * blockSize, headSize], kept.offset);
      const values = views.of(kept.value, [n * blockSize, headSize], kept.offset);
      await this.#programs.openTile.bind({ q, keys, values, attendedTile }).run();
      return bill.run(evalCost(this.#programs.openTile.cost, { kept: n }));
    }
    const own = chunk.cache.place(chunk.layer, kv, chunk.past + tile.row * blockSize);
    const keys = views.of(kept.key, [1, 1, n * blockSize, headSize], kept.offset);
    const values = views.of(kept.value, [1, 1, n * blockSize, headSize], kept.offset);
    await this.#programs.tile
      .bind({
        q,
        key: views.of(own.key, block, own.offset),
        value: views.of(own.value, block, own.offset),
        keys,
        keysOut: keys,
        values,
        valuesOut: values,
        lengths: this.#lengths.view([1], n),
        total: this.#totals.view([], n),
        attendedTile,
      })
      .run();
    bill.run(this.#tileCost(n));
  }

  readonly #tileCosts = new Map<number, Spent>();
  #tileCost(n: number): Spent {
    const known =
      this.#tileCosts.get(n) ?? evalCost(this.#programs.tile.cost, { past: (n - 1) * this.shape.blockSize });
    this.#tileCosts.set(n, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.#programs)) program[Symbol.dispose]();
    for (const b of [
      this.#q,
      this.#tiles,
      this.#first,
      this.#order,
      this.#which,
      this.#keys,
      this.#values,
      this.#lengths,
      this.#totals,
    ])
      b[Symbol.dispose]();
  }
}

async function compileAll(decoder: Decoder, shape: BlockShape) {
  const { scale } = decoder.attention(0);
  const [place, strided, pooled, last, gather, collect, tile, openTile] = await Promise.all([
    ...[
      tracePlace(decoder, shape),
      traceStridedScores(shape),
      tracePooledScores(shape),
      traceLastAttention(shape),
      traceGather(shape),
      traceCollect(shape),
    ].map((graph) => Program.compile(graph)),
    // Tiles run side by side, each on its caller's thread.
    ...[traceTile(shape, scale), traceOpenTile(shape, scale)].map((graph) => Program.compile(graph, "caller")),
  ]);
  return {
    place: place!,
    strided: strided!,
    pooled: pooled!,
    last: last!,
    gather: gather!,
    tile: tile!,
    openTile: openTile!,
    collect: collect!,
  };
}

/** Tiles in groups whose kept blocks fit the gather buffer, the longest first so that threads end together. */
function batches(tiles: readonly Tile[]): Tile[][] {
  const groups: Tile[][] = [];
  let room = 0;
  for (const tile of tiles) {
    if (groups.length === 0 || tile.kept.length > room) {
      groups.push([]);
      room = GATHERED_BLOCKS;
    }
    groups.at(-1)!.push(tile);
    room -= tile.kept.length;
  }
  return groups.map((group) => group.sort((a, b) => b.kept.length - a.kept.length));
}
