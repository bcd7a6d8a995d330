import type { CutReason } from "../engine/answer/cut.ts";
import type { Usage } from "../engine/answer/generate.ts";
import type { OnStopped } from "../engine/answer/terms.ts";
import type { Answers } from "../engine/encoder/encoder-model.ts";
import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { Stoppable } from "./options.ts";

/** Makes the receipts of one model. */
export class Biller {
  /** Time of loading, billed to the first run. */
  #unbilledLoad: number;

  constructor(
    private readonly name: string,
    /** Milliseconds. */
    loadTime: number,
  ) {
    this.#unbilledLoad = loadTime;
  }

  /** `recipe`: the recipe of the run. */
  receipt({ tokens, flops, bytes, work, ms }: Usage, recipe: Recipe, cut?: CutReason): Receipt {
    const load = this.#unbilledLoad;
    this.#unbilledLoad = 0;
    return makeReceipt({
      model: this.name,
      recipe: recipe.map((s) => s.text),
      tokens,
      flops,
      bytes,
      work: { ...work, calls: { [this.name]: { dense: 1, run: 1 } } },
      ms: { load, prefill: ms.prefill, decode: ms.decode, total: load + ms.total },
      estimated: false,
      ...(cut && { cut }),
    });
  }

  billed<T>({ answers, usage }: Answers<T>): { answers: T[]; receipt: Receipt } {
    return { answers, receipt: this.receipt(usage, []) };
  }

  /** Makes a receipt of a stopped run's usage, if anything ran. */
  told(onStopped: Stoppable["onStopped"], recipe: Recipe): OnStopped | undefined {
    return onStopped && ((usage) => void (usage.flops.spent > 0 && onStopped(this.receipt(usage, recipe))));
  }
}
