import { addSpent, evalCost, type Spent } from "../graph/index.ts";
import { Buffer } from "../runtime/buffer.ts";
import type { Binding, Program } from "../runtime/program.ts";
import { bindWeights } from "./bind-weights.ts";
import type { Batch } from "./data/batch.ts";
import type { Trainee } from "./graphs.ts";
import { LOSS_ROWS, traceLoss, traceLossBackward } from "./loss.ts";
import type { ParameterStore } from "./parameters.ts";
import type { Programs } from "./programs.ts";

/** The last stream, which the head reads, and the buffer for its gradient. */
export interface HeadTensors {
  readonly stream: Buffer;
  readonly gradient: Buffer;
}

/** A model's head with the loss, on labelled positions only, in chunks. */
export class Head implements Disposable {
  readonly #x: Buffer;
  readonly #dx: Buffer;
  readonly #targets = new Buffer("i64", LOSS_ROWS);
  readonly #weights = new Buffer("f32", LOSS_ROWS);
  readonly #nats = new Buffer("f32", LOSS_ROWS);

  private constructor(
    private readonly hidden: number,
    private readonly forwards: { program: Program; weights: Binding },
    private readonly backwards: { program: Program; weights: Binding },
    /** True if anything before the head is trained. */
    private readonly before: boolean,
  ) {
    this.#x = new Buffer("f32", LOSS_ROWS * hidden);
    this.#dx = new Buffer("f32", LOSS_ROWS * hidden);
  }

  static async create(trainee: Trainee, store: ParameterStore, programs: Programs, before: boolean): Promise<Head> {
    const [forward, backward] = [traceLoss(trainee), traceLossBackward(trainee, before)];
    const bound = async (graph: typeof forward) => ({
      program: await programs.of(graph),
      weights: bindWeights(graph, trainee, store),
    });
    return new Head(trainee.decoder.config.hidden, await bound(forward), await bound(backward), before);
  }

  /** The sum of the nats of a batch's labels. */
  async forward(batch: Batch, { stream }: HeadTensors, spent: Spent): Promise<number> {
    let sum = 0;
    for (const positions of chunksOf(batch)) {
      this.#fill(batch, positions, stream);
      sum += await this.#run(this.forwards, positions.length, spent);
    }
    return sum;
  }

  /**
   * Like `forward`, but adds gradients; `weight` is the share of each label in the loss. The stream's gradient is
   * overwritten.
   */
  async backward(batch: Batch, weight: number, { stream, gradient }: HeadTensors, spent: Spent): Promise<number> {
    new Float32Array(this.#weights.memory).fill(weight);
    if (this.before) new Float32Array(gradient.memory).fill(0);
    let sum = 0;
    for (const positions of chunksOf(batch)) {
      this.#fill(batch, positions, stream);
      sum += await this.#run(this.backwards, positions.length, spent);
      if (!this.before) continue;
      for (const [i, at] of positions.entries())
        gradient.copy(at * this.hidden, this.#dx, i * this.hidden, this.hidden);
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

  async #run(of: { program: Program; weights: Binding }, n: number, spent: Spent): Promise<number> {
    const rows = { x: this.#x.view([1, n, this.hidden]), dx: this.#dx.view([1, n, this.hidden]) };
    const each = { targets: this.#targets.view([1, n]), weights: this.#weights.view([1, n]) };
    await of.program.bind({ ...rows, ...each, nats: this.#nats.view([1, n]), ...of.weights }).run();
    addSpent(spent, evalCost(of.program.cost, { n }));
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
