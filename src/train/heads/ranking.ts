import { addSpent, evalCost, type Spent } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import type { Batch, RankedList } from "../data/batch.ts";
import type { Head, HeadProgram, HeadPrograms, HeadTensors, Judged, Objective } from "./objective.ts";

/** A loss on the scores of one list whose gradient sums to 0, as it does if adding a number to all scores changes nothing. */
export type RankingRule = (
  scores: ArrayLike<number>,
  ranks: ArrayLike<number>,
) => { readonly loss: number; readonly gradient: ArrayLike<number> };

/** The shares of both losses. */
export interface RankingTerm {
  readonly rule: RankingRule;
  readonly lambda: number;
  /** False for the ranking loss alone. */
  readonly languageModel: boolean;
}

/** A language model's objective with a ranking loss on the logits of the letters of a batch's lists. */
export const withRanking = (objective: Objective, term: RankingTerm): Objective => ({
  ...objective,
  open: (hidden, programs, before) =>
    new RankingHead(objective.open(hidden, programs, before), { hidden, programs, before, term }),
});

interface Parts {
  readonly hidden: number;
  readonly programs: HeadPrograms;
  /** True if anything before the head is trained. */
  readonly before: boolean;
  readonly term: RankingTerm;
}

/** The most items of a list. */
const MOST = 26;

/**
 * Scores a list by the language model's own programs: its position is read once for each letter as if that were the
 * label. The nats are then the letters' logits, negative, less a number that they share; and since the rule's gradient
 * sums to 0, weighing the labels by it gives the gradient of the ranking loss.
 */
class RankingHead implements Head {
  readonly #x: Buffer;
  readonly #dx: Buffer;
  readonly #targets = new Buffer("i64", MOST);
  readonly #weights = new Buffer("f32", MOST);
  readonly #nats = new Buffer("f32", MOST);

  constructor(
    private readonly lm: Head,
    private readonly parts: Parts,
  ) {
    this.#x = new Buffer("f32", MOST * parts.hidden);
    this.#dx = new Buffer("f32", MOST * parts.hidden);
  }

  async forward(batch: Batch, tensors: HeadTensors, spent: Spent): Promise<Judged> {
    const { nats } = await this.lm.forward(batch, tensors, spent);
    let sum = this.#share * nats;
    for (const list of batch.lists ?? []) sum += (await this.#judge(list, tensors, spent)).nats;
    return { nats: sum };
  }

  async backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    let sum = this.#share * (await this.lm.backward(batch, this.#share * weight, tensors, spent));
    for (const list of batch.lists ?? []) {
      const { nats, gradient } = await this.#judge(list, tensors, spent);
      sum += nats;
      const weights = new Float32Array(this.#weights.memory);
      for (const [i, g] of gradient.entries()) weights[i] = -g * weight;
      await this.#run(this.parts.programs.backward, list.letters.length, spent);
      if (this.parts.before) this.#add(list, tensors.gradient.buffer);
    }
    return sum;
  }

  get #share(): number {
    return this.parts.term.languageModel ? 1 : 0;
  }

  /** A list's loss, and its gradient by letter, both as those of so many labels as the list's written ranking has. */
  async #judge({ at, letters, ranks, labels }: RankedList, { stream }: HeadTensors, spent: Spent) {
    const { hidden, programs, term } = this.parts;
    const targets = new BigInt64Array(this.#targets.memory);
    for (const [i, letter] of letters.entries()) {
      targets[i] = BigInt(letter);
      this.#x.copy(i * hidden, stream.buffer, at * hidden, hidden);
    }
    await this.#run(programs.forward, letters.length, spent);
    const scores = Float64Array.from(new Float32Array(this.#nats.memory, 0, letters.length), (nats) => -nats);
    const { loss, gradient } = term.rule(scores, ranks);
    const share = term.lambda * labels;
    return { nats: share * loss, gradient: Array.from(gradient, (g) => share * g) };
  }

  /** Adds the gradient of each letter's row to that of the list's position. */
  #add({ at, letters }: RankedList, gradient: Buffer): void {
    const { hidden } = this.parts;
    const [dx, sum] = [new Float32Array(this.#dx.memory), new Float32Array(gradient.memory)];
    for (let i = 0; i < letters.length; i++)
      for (let k = 0; k < hidden; k++) sum[at * hidden + k]! += dx[i * hidden + k]!;
  }

  async #run({ program, weights }: HeadProgram, n: number, spent: Spent): Promise<void> {
    const { hidden } = this.parts;
    const rows = { x: this.#x.view([1, n, hidden]), dx: this.#dx.view([1, n, hidden]) };
    const each = { targets: this.#targets.view([1, n]), weights: this.#weights.view([1, n]) };
    await program.bind({ ...rows, ...each, nats: this.#nats.view([1, n]), ...weights }).run();
    addSpent(spent, evalCost(program.cost, { n }));
  }

  [Symbol.dispose](): void {
    for (const part of [this.lm, this.#x, this.#dx, this.#targets, this.#weights, this.#nats]) part[Symbol.dispose]();
  }
}
