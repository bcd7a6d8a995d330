import { addSpent, evalCost, type Spent } from "../../src/graph/index.ts";
import { Buffer } from "../../src/runtime/buffer.ts";
import type { Batch } from "../../src/train/data/batch.ts";
import type { Head, HeadLoss, HeadPrograms, HeadTensors, Objective } from "../../src/train/heads/objective.ts";

/** A language model's objective that also counts the labels that have the highest score; it does not train. */
export const counting = (objective: Objective, vocabulary: number): Objective => ({
  ...objective,
  judged: true,
  open: (hidden, programs) => new CountingHead(hidden, programs, vocabulary),
});

class CountingHead implements Head {
  readonly #x: Buffer;
  readonly #scores: Buffer;
  readonly #target = new Buffer("i64", 1);
  readonly #nats = new Buffer("f32", 1);

  constructor(
    private readonly hidden: number,
    private readonly programs: HeadPrograms,
    private readonly vocabulary: number,
  ) {
    this.#x = new Buffer("f32", hidden);
    this.#scores = new Buffer("f32", vocabulary);
  }

  async forward({ labels }: Batch, { stream }: HeadTensors, spent: Spent): Promise<HeadLoss> {
    let [nats, correct] = [0, 0];
    for (const [at, label] of labels.entries()) {
      if (label < 0) continue;
      this.#x.copy(0, stream.buffer, at * this.hidden, this.hidden);
      new BigInt64Array(this.#target.memory)[0] = BigInt(label);
      await this.#run(spent);
      nats += new Float32Array(this.#nats.memory)[0]!;
      correct += Number(this.#best() === label);
    }
    return { nats, correct };
  }

  async #run(spent: Spent): Promise<void> {
    const { program, weights } = this.programs.forward;
    const rows = { x: this.#x.view([1, 1, this.hidden]), scores: this.#scores.view([1, 1, this.vocabulary]) };
    const each = { targets: this.#target.view([1, 1]), nats: this.#nats.view([1, 1]) };
    await program.bind({ ...rows, ...each, ...weights }).run();
    addSpent(spent, evalCost(program.cost, { n: 1 }));
  }

  #best(): number {
    const scores = new Float32Array(this.#scores.memory, 0, this.vocabulary);
    return scores.reduce((best, score, id) => (score > scores[best]! ? id : best), 0);
  }

  backward(): never {
    throw new Error("this head does not train");
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#x, this.#scores, this.#target, this.#nats]) buffer[Symbol.dispose]();
  }
}
