import type { Spent } from "../../../graph/index.ts";
import { bytesPerElement } from "../../../graph/tensor.ts";
import type { Chunk, ChunkJob } from "./chunk-run.ts";

/**
 * Rows of the stream that replace token embeddings, keyed by ids below 0 in a prompt: [hidden] each, then [hidden] for
 * each of the first layers that add to the stream.
 */
export type Embeddings = ReadonlyMap<number, Float32Array>;

/** The row for an id below 0. */
export function rowOf(embeddings: Embeddings | undefined, id: number): Float32Array {
  const row = embeddings?.get(id);
  if (row) return row;
  throw new Error(`the id ${id} in a prompt has no content`);
}

/** Adds images' rows to the stream after the decoder's first layers, at the images' positions (DeepStack: Meng et al. 2024). */
export class Additions {
  /** The depths of the additions, counted from 1. */
  readonly depths: readonly number[];

  constructor(
    private readonly prompt: readonly number[],
    private readonly embeddings: Embeddings | undefined,
    private readonly hidden: number,
  ) {
    const widest = [...(embeddings?.values() ?? [])].reduce((most, { length }) => Math.max(most, length), hidden);
    this.depths = Array.from({ length: widest / hidden - 1 }, (_, i) => i + 1);
  }

  /** The depths at which vectors are added to a chunk's tokens within its layers. */
  depthsOf({ layers: { from, to }, positions }: ChunkJob): readonly number[] {
    if (!positions.some((at) => this.prompt[at]! < 0)) return [];
    return this.depths.filter((depth) => depth > from && depth <= to);
  }

  /** Adds the vectors for a depth to a chunk's stream. */
  add({ positions }: ChunkJob, depth: number, { buffers, done }: Chunk): Spent {
    const { hidden } = this;
    const stream = new Float32Array(buffers.streamBuffers(done).residual.memory);
    let rows = 0;
    for (const [i, at] of positions.entries()) {
      const id = this.prompt[at]!;
      if (id >= 0) continue;
      const row = rowOf(this.embeddings, id);
      if (row.length <= depth * hidden) continue;
      for (let j = 0; j < hidden; j++) stream[i * hidden + j]! += row[depth * hidden + j]!;
      rows++;
    }
    return this.cost(rows);
  }

  /** The cost of adding `rows` rows. */
  cost(rows: number): Spent {
    return { flops: rows * this.hidden, bytes: 3 * bytesPerElement.f32 * rows * this.hidden };
  }
}
