import { type Graph, type Spent, sym } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import type { Buffer } from "../../runtime/buffer.ts";
import type { Batch } from "../data/batch.ts";
import type { Head, HeadLoss, HeadPrograms, HeadScores, HeadTensors, Objective } from "./objective.ts";
import { TokenRows } from "./token-rows.ts";

/** Limits on the rows that the head reads at once: a whole batch's logits would be the largest tensor of a step. */
const LOSS_ROWS = { least: 128, most: 2048 } as const;
/** A number of logits small enough to take little memory compared with a step's other tensors. */
const FEW_LOGITS = 2 ** 22;

/** Scores the next token with a decoder at labelled positions `x` [1, n, hidden]. */
export const languageModel = (decoder: Decoder): Objective => ({
  judged: false,
  score(g: Graph): HeadScores {
    const n = sym("n");
    const x = g.input("x", "f32", [1, n, decoder.config.hidden]);
    const scores = decoder.logits(g, decoder.finish(g, { branch: x }));
    return { x, scores, targets: g.input("targets", "i64", [1, n]) };
  },
  // The head fills in its own inputs, chunk by chunk.
  inputs: () => ({}),
  open(hidden, programs, before) {
    const { least, most } = LOSS_ROWS;
    const few = Math.floor(FEW_LOGITS / decoder.config.vocabulary);
    return new TokenHead(hidden, Math.min(most, Math.max(least, few)), programs, before);
  },
});

/** A head that runs on labelled positions only, in chunks. */
class TokenHead implements Head {
  readonly #rows: TokenRows;

  constructor(
    private readonly hidden: number,
    /** The maximum number of rows per chunk. */
    private readonly most: number,
    private readonly programs: HeadPrograms,
    /** True if anything before the head is trained. */
    private readonly before: boolean,
  ) {
    this.#rows = new TokenRows(hidden, most);
  }

  async forward(batch: Batch, { stream }: HeadTensors, spent: Spent): Promise<HeadLoss> {
    let nats = 0;
    for (const positions of this.#chunksOf(batch))
      nats += await this.#run("forward", batch, positions, stream.buffer, spent);
    return { nats };
  }

  async backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    const { stream, gradient, adds } = tensors;
    if (this.before && !adds) new Float32Array(gradient.buffer.memory).fill(0);
    let sum = 0;
    for (const positions of this.#chunksOf(batch)) {
      for (const [i, at] of positions.entries()) this.#rows.weights[i] = weight * weightOf(batch, at);
      sum += await this.#run("backward", batch, positions, stream.buffer, spent);
      if (this.before) this.#pass(positions, gradient.buffer, adds);
    }
    return sum;
  }

  /** The labelled positions of a batch, in chunks. */
  #chunksOf({ labels }: Batch): number[][] {
    const labelled = Array.from(labels.keys()).filter((at) => labels[at]! >= 0);
    return Array.from({ length: Math.ceil(labelled.length / this.most) }, (_, i) =>
      labelled.slice(i * this.most, (i + 1) * this.most),
    );
  }

  /** Passes the rows' gradients to their positions in the stream's gradient. */
  #pass(positions: readonly number[], { memory }: Buffer, adds: boolean): void {
    const { hidden } = this;
    const [dx, sum] = [new Float32Array(this.#rows.dx.memory), new Float32Array(memory)];
    for (const [i, at] of positions.entries())
      if (adds) for (let k = 0; k < hidden; k++) sum[at * hidden + k]! += dx[i * hidden + k]!;
      else sum.set(dx.subarray(i * hidden, (i + 1) * hidden), at * hidden);
  }

  /** The weighted sum of the positions' nats. */
  async #run(
    pass: keyof HeadPrograms,
    batch: Batch,
    positions: readonly number[],
    stream: Buffer,
    spent: Spent,
  ): Promise<number> {
    for (const [i, at] of positions.entries()) this.#rows.put(i, stream, at, batch.labels[at]!);
    const nats = await this.#rows.run(this.programs[pass], positions.length, spent);
    return nats.reduce((sum, each, i) => sum + each * weightOf(batch, positions[i]!), 0);
  }

  [Symbol.dispose](): void {
    this.#rows[Symbol.dispose]();
  }
}

const weightOf = ({ weights }: Batch, at: number): number => weights?.[at] ?? 1;
