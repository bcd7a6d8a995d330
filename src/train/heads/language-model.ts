import { addSpent, evalCost, type Graph, type Spent, sym } from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder.ts";
import { Buffer } from "../../runtime/buffer.ts";
import type { Batch } from "../data/batch.ts";
import type { Head, HeadProgram, HeadPrograms, HeadTensors, Judged, Objective, Scored } from "./objective.ts";

/** Rows of the stream that the head takes at once: logits of a whole batch would be the largest tensor of a step. */
export const LOSS_ROWS = 128;

/** A decoder's scores of the next token, of labelled positions `x` [1, n, hidden]. */
export const languageModel = (decoder: Decoder): Objective => ({
  judged: false,
  score(g: Graph): Scored {
    const n = sym("n");
    const x = g.input("x", "f32", [1, n, decoder.config.hidden]);
    const scores = decoder.logits(g, decoder.finish(g, { branch: x }));
    return { x, scores, targets: g.input("targets", "i64", [1, n]) };
  },
  // Chunks of a batch are written by the head.
  inputs: () => ({}),
  open: (hidden, programs, before) => new TokenHead(hidden, programs, before),
});

/** A head on labelled positions only, in chunks. */
class TokenHead implements Head {
  readonly #x: Buffer;
  readonly #dx: Buffer;
  readonly #targets = new Buffer("i64", LOSS_ROWS);
  readonly #weights = new Buffer("f32", LOSS_ROWS);
  readonly #nats = new Buffer("f32", LOSS_ROWS);

  constructor(
    private readonly hidden: number,
    private readonly programs: HeadPrograms,
    /** True if anything before the head is trained. */
    private readonly before: boolean,
  ) {
    this.#x = new Buffer("f32", LOSS_ROWS * hidden);
    this.#dx = new Buffer("f32", LOSS_ROWS * hidden);
  }

  async forward(batch: Batch, { stream }: HeadTensors, spent: Spent): Promise<Judged> {
    let nats = 0;
    for (const positions of chunksOf(batch)) {
      this.#fill(batch, positions, stream.buffer);
      nats += await this.#run(this.programs.forward, positions.length, spent);
    }
    return { nats };
  }

  async backward(batch: Batch, weight: number, { stream, gradient }: HeadTensors, spent: Spent): Promise<number> {
    new Float32Array(this.#weights.memory).fill(weight);
    if (this.before) new Float32Array(gradient.buffer.memory).fill(0);
    let sum = 0;
    for (const positions of chunksOf(batch)) {
      this.#fill(batch, positions, stream.buffer);
      sum += await this.#run(this.programs.backward, positions.length, spent);
      if (!this.before) continue;
      for (const [i, at] of positions.entries())
        gradient.buffer.copy(at * this.hidden, this.#dx, i * this.hidden, this.hidden);
    }
    return sum;
  }

  #fill({ labels }: Batch, positions: readonly number[], stream: Buffer): void {
    const targets = new BigInt64Array(this.#targets.memory);
    for (const [i, at] of positions.entries()) {
      targets[i] = BigInt(labels[at]!);
      this.#x.copy(i * this.hidden, stream, at * this.hidden, this.hidden);
    }
  }

  async #run({ program, weights }: HeadProgram, n: number, spent: Spent): Promise<number> {
    const rows = { x: this.#x.view([1, n, this.hidden]), dx: this.#dx.view([1, n, this.hidden]) };
    const each = { targets: this.#targets.view([1, n]), weights: this.#weights.view([1, n]) };
    await program.bind({ ...rows, ...each, nats: this.#nats.view([1, n]), ...weights }).run();
    addSpent(spent, evalCost(program.cost, { n }));
    return new Float32Array(this.#nats.memory, 0, n).reduce((sum, nats) => sum + nats, 0);
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#x, this.#dx, this.#targets, this.#weights, this.#nats]) buffer[Symbol.dispose]();
  }
}

/** The labelled positions of a batch, in chunks. */
function chunksOf({ labels }: Batch): number[][] {
  const labelled = Array.from(labels.keys()).filter((at) => labels[at]! >= 0);
  return Array.from({ length: Math.ceil(labelled.length / LOSS_ROWS) }, (_, i) =>
    labelled.slice(i * LOSS_ROWS, (i + 1) * LOSS_ROWS),
  );
}
