import type { Cut } from "../engine/cut.ts";
import type { Answers } from "../engine/encoder-model.ts";
import type { OnStopped, Usage } from "../engine/generate.ts";
import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { Stoppable } from "./options.ts";

/** Makes the receipts of one model under one recipe. */
export class Biller {
  /** Time of loading, billed to the first run. */
  #unbilledLoad: number;

  constructor(
    private readonly name: string,
    private readonly recipe: Recipe,
    /** Milliseconds. */
    loadTime: number,
  ) {
    this.#unbilledLoad = loadTime;
  }

  receipt({ tokens, flops, bytes, blocks, ms }: Usage, cut?: Cut): Receipt {
    const load = this.#unbilledLoad;
    this.#unbilledLoad = 0;
    return makeReceipt({
      model: this.name,
      recipe: this.recipe.map((s) => s.text),
      tokens,
      flops,
      bytes,
      work: { ...(blocks && { blocks }), calls: { [this.name]: 1 } },
      ms: { load, prefill: ms.prefill, decode: ms.decode, total: load + ms.total },
      estimated: false,
      ...(cut && { cut }),
    });
  }

  billed<T>({ answers, usage }: Answers<T>): { answers: T[]; receipt: Receipt } {
    return { answers, receipt: this.receipt(usage) };
  }

  /** Makes a receipt of what a stopped run used, if it came to run anything. */
  told(onStopped: Stoppable["onStopped"]): OnStopped | undefined {
    return onStopped && ((usage) => void (usage.flops.spent > 0 && onStopped(this.receipt(usage))));
  }
}
