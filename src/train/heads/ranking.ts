import type { Spent } from "../../graph/index.ts";
import type { Buffer } from "../../runtime/buffer.ts";
import type { Batch, RankedList } from "../data/batch.ts";
import type { Head, HeadLoss, HeadPrograms, HeadTensors, Objective } from "./objective.ts";
import { TokenRows } from "./token-rows.ts";

/**
 * A loss on one list's scores. Its gradient must sum to 0, as it does if adding a constant to all scores leaves the
 * loss unchanged.
 */
type RankingRule = (
  scores: ArrayLike<number>,
  ranks: ArrayLike<number>,
) => { readonly loss: number; readonly gradient: ArrayLike<number> };

/** A ranking loss, and its weight beside the language model's loss. */
export interface RankingTerm {
  readonly rule: RankingRule;
  readonly lambda: number;
  /** False if only the ranking loss counts. */
  readonly languageModel: boolean;
}

/** Adds to a language model's objective a ranking loss on the logits of the letters in a batch's lists. */
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

/** The maximum number of items per list. */
const MOST = 26;

/**
 * Scores a list with the language model's own programs: its position is repeated once per letter, with that letter as
 * the label. The nats are then the letters' negative logits plus a constant. Since the ranking loss's gradient sums to
 * 0, weighting the labels by it gives the correct gradient.
 */
class RankingHead implements Head {
  readonly #rows: TokenRows;

  constructor(
    private readonly lm: Head,
    private readonly parts: Parts,
  ) {
    this.#rows = new TokenRows(parts.hidden, MOST);
  }

  async forward(batch: Batch, tensors: HeadTensors, spent: Spent): Promise<HeadLoss> {
    let sum = this.parts.term.languageModel ? (await this.lm.forward(batch, tensors, spent)).nats : 0;
    for (const list of batch.lists ?? []) sum += (await this.#judge(list, tensors, spent)).nats;
    return { nats: sum };
  }

  async backward(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    const { before, programs } = this.parts;
    let sum = await this.#written(batch, weight, tensors, spent);
    for (const list of batch.lists ?? []) {
      const { nats, gradient } = await this.#judge(list, tensors, spent);
      sum += nats;
      this.#rows.weights.set(gradient.map((g) => -g * weight));
      await this.#rows.run(programs.backward, list.letters.length, spent);
      if (before) this.#add(list, tensors.gradient.buffer);
    }
    return sum;
  }

  /** Runs the language model's loss first, because it overwrites the stream's gradient. */
  async #written(batch: Batch, weight: number, tensors: HeadTensors, spent: Spent): Promise<number> {
    if (this.parts.term.languageModel) return await this.lm.backward(batch, weight, tensors, spent);
    if (this.parts.before) new Float32Array(tensors.gradient.buffer.memory).fill(0);
    return 0;
  }

  /** A list's loss and its gradient for each letter's score, both weighted by the sample's number of labels. */
  async #judge({ at, letters, ranks, labels }: RankedList, { stream }: HeadTensors, spent: Spent) {
    const { programs, term } = this.parts;
    for (const [i, letter] of letters.entries()) this.#rows.put(i, stream.buffer, at, letter);
    const nats = await this.#rows.run(programs.forward, letters.length, spent);
    const { loss, gradient } = term.rule(
      Float64Array.from(nats, (each) => -each),
      ranks,
    );
    const share = term.lambda * labels;
    return { nats: share * loss, gradient: Array.from(gradient, (g) => share * g) };
  }

  /** Adds the gradient of each letter's row to the gradient of the list's position. */
  #add({ at, letters }: RankedList, gradient: Buffer): void {
    const { hidden } = this.parts;
    const [dx, sum] = [new Float32Array(this.#rows.dx.memory), new Float32Array(gradient.memory)];
    for (let i = 0; i < letters.length; i++)
      for (let k = 0; k < hidden; k++) sum[at * hidden + k]! += dx[i * hidden + k]!;
  }

  [Symbol.dispose](): void {
    for (const part of [this.lm, this.#rows]) part[Symbol.dispose]();
  }
}
