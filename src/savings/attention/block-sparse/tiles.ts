import { type Cost, evalCost, graphCost } from "../../../graph/index.ts";
import { Buffer, type View, ViewSet } from "../../../runtime/buffer.ts";
import { environment } from "../../../runtime/ort/environment.ts";
import { type Binding, Program } from "../../../runtime/program.ts";
import type { AttentionBill } from "../../seams.ts";
import type { BlockMask } from "./block-mask.ts";
import { type Chunk, colsOf, rowsOf } from "./chunk.ts";
import { type BlockShape, traceOpenTile, traceTiles } from "./graphs.ts";

/** Tiles per run: enough to outweigh a switch of threads, few enough for threads to end at about the same time. */
const AT_ONCE = 8;

/** One query head's block of queries. */
interface Tile {
  readonly head: number;
  readonly row: number;
  /** The tile's key blocks, and their offset in the index buffer. */
  readonly kept: Int32Array;
  readonly at: number;
  /** True if the last block is the tile's own, with the causal mask. */
  readonly own: boolean;
}

/** A chunk whose queries and keys are rotated and stored. */
export interface TileJob {
  readonly chunk: Chunk;
  /** Rotated queries, [heads, rows · blockSize, d]. */
  readonly q: Buffer;
  /** The result of attention, in the same shape. */
  readonly attended: Buffer;
  readonly bill: AttentionBill;
}

interface Run {
  readonly kv: number;
  readonly tiles: readonly Tile[];
}

interface TileCost {
  readonly run: Cost;
  readonly overhead: Cost;
}

/** Attention over kept blocks, tile by tile. It has no weights, so all layers share it. */
export class TileAttention implements Disposable {
  readonly #indices: Buffer;

  private constructor(
    readonly shape: BlockShape,
    maxKept: number,
    readonly programs: Readonly<Record<"many" | "one" | "open", Program>>,
    readonly costs: Readonly<Record<"own" | "open", TileCost>>,
  ) {
    this.#indices = new Buffer("i64", maxKept);
  }

  /** Compiles tiles for chunks of at most `maxRows` query blocks, in caches of at most `maxCols` blocks. */
  static async create(shape: BlockShape, scale: number, maxRows: number, maxCols: number): Promise<TileAttention> {
    const graphs = [traceTiles(shape, scale, AT_ONCE), traceTiles(shape, scale, 1), traceOpenTile(shape, scale)];
    // Programs run in parallel, each on its caller's thread.
    const [many, one, open] = await Promise.all(graphs.map((g) => Program.compile(g, "caller")));
    const costs = { own: costOfTile(graphs[1]!), open: costOfTile(graphs[2]!) };
    return new TileAttention(shape, shape.heads * maxRows * maxCols, { many: many!, one: one!, open: open! }, costs);
  }

  /** The mask's heads are query heads, or key–value heads, each shared by its group of query heads. */
  async attend(job: TileJob, mask: BlockMask): Promise<void> {
    const queue = this.#plan(job.chunk, mask);
    const worker = async () => {
      for (let run = queue.shift(); run; run = queue.shift()) await this.#run(job, run);
    };
    await Promise.all(Array.from({ length: environment().threads }, worker));
  }

  /** Lists every tile's blocks, and groups tiles of one key–value head, longest first so threads end together. */
  #plan(chunk: Chunk, mask: BlockMask): Run[] {
    const { kvHeads } = this.shape;
    const byHead: Tile[][] = Array.from({ length: kvHeads }, () => []);
    for (const tile of this.#tiles(chunk, mask))
      byHead[Math.floor((tile.head * kvHeads) / this.shape.heads)]!.push(tile);
    const runs = byHead.flatMap((tiles, kv) => runsOf(tiles).map((run) => ({ kv, tiles: run })));
    return runs.sort((a, b) => blocksOf(b) - blocksOf(a));
  }

  *#tiles(chunk: Chunk, mask: BlockMask): Generator<Tile> {
    const { heads, blockSize } = this.shape;
    const list = new BigInt64Array(this.#indices.memory);
    const [rows, first] = [rowsOf(chunk, blockSize), chunk.past / blockSize];
    let at = 0;
    for (let head = 0; head < heads; head++)
      for (let row = 0; row < rows; row++) {
        const blocks = mask.row(Math.floor((head * mask.heads) / heads), row);
        for (const [i, block] of blocks.entries()) list[at + i] = BigInt(block);
        yield { head, row, kept: blocks, at, own: blocks.at(-1) === first + row };
        at += blocks.length;
      }
  }

  async #run(job: TileJob, { kv, tiles }: Run): Promise<void> {
    const { chunk } = job;
    const { many, one, open } = this.programs;
    const { blockSize, headSize } = this.shape;
    const { key, value } = chunk.cache.head(chunk.layer, kv, colsOf(chunk, blockSize), blockSize * headSize);
    using views = new ViewSet();
    const binding: Record<string, View> = { keys: key, values: value };
    for (const [t, tile] of tiles.entries()) Object.assign(binding, this.#bind(t, job, kv, tile, views));
    await (tiles.length > 1 ? many : tiles[0]!.own ? one : open).bind(binding).run();
    for (const tile of tiles) this.#bill(tile, job.bill);
  }

  #bind(t: number, { chunk, q, attended }: TileJob, kv: number, tile: Tile, views: ViewSet): Binding {
    const { blockSize, headSize } = this.shape;
    const n = tile.kept.length;
    const at = (tile.head * rowsOf(chunk, blockSize) + tile.row) * blockSize * headSize;
    const own = chunk.cache.place(chunk.layer, kv, chunk.past + tile.row * blockSize);
    const block = [1, blockSize, headSize];
    return {
      [`q${t}`]: q.view(block, at),
      [`attended${t}`]: attended.view(block, at),
      [`kept${t}`]: views.of(this.#indices, [n], tile.at),
      [`past${t}`]: views.of(this.#indices, [n - 1], tile.at),
      [`key${t}`]: views.of(own.key, [blockSize, headSize], own.offset),
    };
  }

  #bill(tile: Tile, bill: AttentionBill): void {
    const n = tile.kept.length;
    const { run, overhead } = tile.own ? this.costs.own : this.costs.open;
    const sizes = { past0: n - 1, kept0: n };
    bill.run(evalCost(run, sizes));
    bill.overhead(evalCost(overhead, sizes));
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.programs)) program[Symbol.dispose]();
    this.#indices[Symbol.dispose]();
  }
}

/** Gathering is the overhead of sparsity; the rest is attention itself. */
function costOfTile(graph: Parameters<typeof graphCost>[0]): TileCost {
  return { run: graphCost(graph, (op) => op !== "gather"), overhead: graphCost(graph, (op) => op === "gather") };
}

const blocksOf = ({ tiles }: Run): number => tiles.reduce((sum, { kept }) => sum + kept.length, 0);

/**
 * Divides one head's tiles into runs, longest first: tiles with their own block in groups of the size that a program
 * takes, other tiles one by one.
 */
function runsOf(tiles: Tile[]): Tile[][] {
  const sorted = tiles.sort((a, b) => b.kept.length - a.kept.length);
  const [own, open] = [sorted.filter((t) => t.own), sorted.filter((t) => !t.own)];
  const whole = own.length - (own.length % AT_ONCE);
  const groups = Array.from({ length: whole / AT_ONCE }, (_, i) => own.slice(i * AT_ONCE, (i + 1) * AT_ONCE));
  return [...groups, ...[...own.slice(whole), ...open].map((tile) => [tile])];
}
