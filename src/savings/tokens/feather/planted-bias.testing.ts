import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Graph, rotaryEmbedding, sym } from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import { openDecoder } from "../../../models/registry.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import type { VisualSpan } from "../../plan.ts";
import { traceQuery, traceScores } from "../last-query.ts";
import { top } from "./keep.ts";

/** A decoder with 5 heads of width 32; its weights are not used. */
const file = fileURLToPath(new URL("../../../../packages/models/exits-small/model.safetensors", import.meta.url));
const [SIDE, TRIALS, KEPT] = [12, 20, 0.25];
export const CELLS = SIDE * SIDE;
/** The distance from the last cell to the query. */
export const GAP = 8;

/** The position of a cell. */
export type At = (cell: number) => number;
export const inOrder: At = (cell) => cell + 1;
export const reversedRows: At = (cell) => (SIDE - 1 - Math.floor(cell / SIDE)) * SIDE + (cell % SIDE) + 1;

const ways = ["rotary", "none"] as const;
type Way = (typeof ways)[number];
type Ways<T> = Record<Way, T>;

/** One head's query [d], and the keys of all cells, [cells · d]. */
interface PlantedHead {
  readonly query: readonly number[];
  readonly keys: readonly number[];
}

/** Keys [1, keys, d], rotated by their positions. */
function traceTurn(decoder: Decoder): Graph {
  const g = new Graph();
  const keys = sym("keys");
  const x = g.input("x", "f32", [1, keys, decoder.config.headSize]);
  const positions = g.input("positions", "i64", [1, keys]);
  g.output("y", rotaryEmbedding(x, positions, decoder.rotary(g, 0)!, { heads: 1, pairs: "half" }));
  return g;
}

/**
 * The mean row of an image's best tokens by score, from 0 (top) to 1 (bottom): 0.5 without a bias. `scores` has one per
 * cell, row by row.
 */
export function meanKeptRow(scores: Float32Array, [rows, columns]: VisualSpan["grid"], share: number): number {
  const cells = top([...scores.keys()], scores, Math.floor(share * rows * columns));
  return cells.reduce((sum, cell) => sum + Math.floor(cell / columns), 0) / cells.length / (rows - 1);
}

/** Scores random images whose queries and keys share a direction, with and without rotary embedding. */
export class PlantedBias implements Disposable {
  private constructor(
    private readonly decoder: Decoder,
    private readonly folder: string,
    private readonly turn: Program,
    private readonly queries: Ways<Program>,
    private readonly scorers: Ways<Program>,
  ) {}

  static async create(): Promise<PlantedBias> {
    const folder = mkdtempSync(join(tmpdir(), "modicum-bias-"));
    const { decoder, weights } = await openDecoder(openCheckpoint(file), folder, "f32");
    const graphs = [
      traceTurn(decoder),
      ...[true, false].flatMap((rotary) => [
        traceQuery(decoder, 0, rotary),
        traceScores(decoder, 0, { rotary, some: false }),
      ]),
    ];
    weights.commit();
    const [turn, query, scores, plainQuery, plainScores] = (await Promise.all(
      graphs.map((graph) => Program.compile(graph)),
    )) as [Program, Program, Program, Program, Program];
    const queries = { rotary: query, none: plainQuery };
    return new PlantedBias(decoder, folder, turn, queries, { rotary: scores, none: plainScores });
  }

  /** The mean row of the best quarter of tokens, averaged over trials: 0.5 without a bias. */
  async bias(strength: number, at: At): Promise<Ways<number>> {
    const normal = normals(seededRandom(4));
    const sum = { rotary: 0, none: 0 };
    for (let trial = 0; trial < TRIALS; trial++) {
      const result = await this.scores(strength, at, normal);
      for (const way of ways) sum[way] += meanKeptRow(result[way], [SIDE, SIDE], KEPT) / TRIALS;
    }
    return sum;
  }

  /** Scores an image's cells. The query is at position `queryPosition` and is multiplied by `factor`. */
  async scores(
    strength: number,
    at: At,
    normal: () => number,
    { queryPosition = CELLS + GAP, factor = 1 }: { queryPosition?: number; factor?: number } = {},
  ): Promise<Ways<Float32Array>> {
    const { heads } = this.decoder.config;
    const drawn = Array.from({ length: heads }, () => this.#draw(strength, normal));
    const sums = { rotary: new Float32Array(CELLS), none: new Float32Array(CELLS) };
    for (const way of ways) {
      using q = await this.#query(drawn, way, queryPosition, factor);
      for (const [head, { keys }] of drawn.entries())
        for (const [cell, score] of (await this.#head(q, head, keys, at, way)).entries())
          sums[way][cell]! += score / heads;
    }
    return sums;
  }

  #draw(strength: number, normal: () => number): PlantedHead {
    const { headSize } = this.decoder.config;
    const direction = Array.from({ length: headSize }, normal);
    const length = Math.hypot(...direction);
    const mean = direction.map((v) => (strength * Math.sqrt(headSize) * v) / length);
    const vectors = (count: number) => Array.from({ length: count }, () => mean.map((m) => m + normal())).flat();
    return { query: vectors(1), keys: vectors(CELLS) };
  }

  async #query(drawn: readonly PlantedHead[], way: Way, queryPosition: number, factor: number): Promise<Buffer> {
    const { heads, kvHeads, headSize } = this.decoder.config;
    const width = (heads + 2 * kvHeads) * headSize;
    using qkv = new Buffer("f32", width);
    new Float32Array(qkv.memory).set(drawn.flatMap(({ query }) => query.map((v) => factor * v)));
    using position = new Buffer("i64", 1);
    new BigInt64Array(position.memory)[0] = BigInt(queryPosition);
    const q = new Buffer("f32", heads * headSize);
    const views = { qkv: qkv.view([1, 1, width]), position: position.view([1, 1]), q: q.view([heads, headSize]) };
    await this.queries[way].bind(views).run();
    return q;
  }

  async #head(q: Buffer, head: number, keys: readonly number[], at: At, way: Way): Promise<Float32Array> {
    const { headSize } = this.decoder.config;
    using places = new Buffer("i64", CELLS);
    new BigInt64Array(places.memory).set(Array.from({ length: CELLS }, (_, cell) => BigInt(at(cell))));
    const positions = places.view([1, CELLS]);
    using raw = new Buffer("f32", CELLS * headSize);
    using held = new Buffer("f32", CELLS * headSize);
    using scores = new Buffer("f32", CELLS);
    new Float32Array(raw.memory).set(keys);
    const wide = (buffer: Buffer): View => buffer.view([1, CELLS, headSize]);
    await this.turn.bind({ x: wide(raw), positions, y: wide(held) }).run();
    const own = { q: q.view([1, headSize], head * headSize), keys: held.view([CELLS, headSize]), positions };
    await this.scorers[way].bind({ ...own, scores: scores.view([1, CELLS]) }).run();
    return new Float32Array(scores.memory).slice();
  }

  [Symbol.dispose](): void {
    for (const program of [this.turn, ...Object.values(this.queries), ...Object.values(this.scorers)])
      program[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }
}
