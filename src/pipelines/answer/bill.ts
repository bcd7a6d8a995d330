import type { Spent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { amountsOf } from "../../ledger/together.ts";
import { WallTime } from "../../ledger/wall-time.ts";

interface ModelRecipe {
  readonly model: string;
  readonly recipe: readonly string[];
}

/** Combines the receipts of an answer's calls. The dense baseline searches for every question and reads the results. */
export class AnswerBill {
  readonly #time: WallTime;
  readonly #searches: Receipt[] = [];
  readonly #calls: Receipt[] = [];
  /** FLOPs spent on computing the gate's score. */
  gating = 0;

  constructor(
    private readonly named: ModelRecipe,
    /** The price of this answer with passages, if nothing was searched; undefined if unknown. */
    private readonly estimate: (answer: Receipt) => Spent | undefined,
    arrived: number | undefined,
  ) {
    this.#time = new WallTime(arrived);
  }

  search(receipt: Receipt): void {
    this.#searches.push(receipt);
  }

  /** Adds a model call's receipt; the last call added gives the answer. */
  call(receipt: Receipt): void {
    this.#calls.push(receipt);
  }

  get begun(): boolean {
    return this.#searches.length + this.#calls.length > 0;
  }

  receipt(): Receipt {
    const own = this.#calls.at(-1);
    const all = amountsOf([...this.#searches, ...this.#calls]);
    const estimated = own && this.#searches.length === 0 ? this.estimate(own) : undefined;
    const dense = estimated ?? this.#measured(own);
    const spent = all.flops.spent + this.gating;
    const answering = own ? own.flops.spent - own.flops.overhead : 0;
    return makeReceipt({
      model: this.named.model,
      recipe: [...this.named.recipe],
      tokens: own?.tokens ?? { prompt: 0, cached: 0, completion: 0 },
      flops: { dense: dense.flops, spent, overhead: Math.max(0, spent - answering) },
      bytes: { dense: dense.bytes, spent: all.bytes.spent },
      work: { ...own?.work, calls: this.#callsByModel(), retrievals: { dense: 1, run: this.#searches.length } },
      ms: this.#time.answering(own, [...this.#searches, ...this.#calls]),
      estimated: estimated !== undefined || all.estimated,
      ...(own?.cut && { cut: own.cut }),
    });
  }

  /** A search without results would find nothing in a dense run either. */
  #measured(own: Receipt | undefined): Spent {
    const { flops, bytes } = amountsOf([...this.#searches, ...(own ? [own] : [])]);
    return { flops: flops.dense, bytes: bytes.dense };
  }

  #callsByModel(): Record<string, { dense: number; run: number }> {
    const embedding = this.#searches.filter(({ tokens }) => tokens.prompt > 0).map(({ model }) => model);
    const models = new Set(embedding);
    return {
      ...Object.fromEntries([...models].map((model) => [model, { dense: 1, run: 1 }])),
      ...(this.#calls[0] && { [this.#calls[0].model]: { dense: 1, run: this.#calls.length } }),
    };
  }
}
