import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { Batch, DropCounts, TrainingData } from "../../data/batch.ts";
import { epochOrder } from "../../data/order.ts";
import { joined } from "../../data/rows.ts";
import type { Columns, NamedReward } from "./rewards.ts";

/** A prompt, with the columns of its row. */
export interface Prompt {
  /** The prompt's file and line. */
  readonly where: string;
  readonly prompt: unknown;
  readonly columns: Columns;
  readonly ids: readonly number[];
  /** True if the prompt is a text to continue, false if it is a chat. */
  readonly raw: boolean;
}

/** A sampled completion, with its advantage, which weights its loss. */
export interface Rollout {
  readonly prompt: Prompt;
  readonly completion: readonly number[];
  readonly advantage: number;
}

interface RolloutTerms {
  readonly rows: number;
  readonly tokens: number;
  /** The number of completions per prompt. */
  readonly group: number;
  readonly seed: number;
  readonly dropped: DropCounts;
}

/** Prompts in batches, and the completions of the current step's batches. */
export class Rollouts implements TrainingData {
  readonly rows: number;
  readonly tokens: number;
  readonly dropped: DropCounts;
  readonly #order: (epoch: number) => Uint32Array;
  #current: ReadonlyMap<number, readonly Rollout[]> = new Map();

  constructor(
    readonly prompts: readonly Prompt[],
    readonly rewards: readonly NamedReward[],
    readonly tokenizer: Tokenizer,
    private readonly terms: RolloutTerms,
  ) {
    const { rows, tokens, seed, dropped } = terms;
    this.rows = rows;
    this.tokens = tokens;
    this.dropped = dropped;
    this.#order = epochOrder(prompts.length, seed);
  }

  get samples(): number {
    return this.prompts.length;
  }

  get batches(): number {
    return Math.ceil(this.prompts.length / this.#perBatch);
  }

  get #perBatch(): number {
    return this.rows / this.terms.group;
  }

  /** The indices of a batch's prompts among all prompts. */
  places(index: number): number[] {
    const from = (index % this.batches) * this.#perBatch;
    return [...this.#order(Math.floor(index / this.batches)).subarray(from, from + this.#perBatch)];
  }

  /** Replaces the current completions, keyed by batch. */
  hold(current: ReadonlyMap<number, readonly Rollout[]>): void {
    this.#current = current;
  }

  /**
   * Until completions are sampled, returns the batch's prompts in rows of full length, the most that a step can cost.
   */
  batch(index: number): Batch {
    const current = this.#current.get(index);
    if (current) return this.#batchOf(current);
    const longest = this.#longest(index);
    const filled = Int32Array.from({ length: this.rows }, (_, row) => longest[row]?.prompt.ids.length ?? 0);
    return { ...this.#batchOf(longest), filled };
  }

  #batchOf(rollouts: readonly Rollout[]): Batch {
    const { rows, tokens } = this;
    const samples = rollouts.map(({ prompt, completion }) => {
      const ids = Int32Array.from([...prompt.ids, ...completion]);
      const labels = ids.slice(1).fill(-1, 0, prompt.ids.length - 1);
      return { ids: ids.slice(0, -1), labels, samples: 1 };
    });
    const batch = joined(samples, { rows, tokens, packed: false });
    const weights = new Float32Array(rows * tokens);
    for (const [row, { advantage }] of rollouts.entries()) weights.fill(advantage, row * tokens, (row + 1) * tokens);
    return { ...batch, weights };
  }

  #longest(index: number): Rollout[] {
    const { eos = 0 } = this.tokenizer;
    return this.places(index).flatMap((place) => {
      const prompt = this.prompts[place]!;
      const completion = Array.from({ length: this.tokens + 1 - prompt.ids.length }, () => eos);
      return Array.from({ length: this.terms.group }, () => ({ prompt, completion, advantage: 1 }));
    });
  }
}
