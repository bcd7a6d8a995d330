import type { CutReason } from "../engine/decode/answer/cut.ts";
import type { Usage } from "../engine/decode/answer/generate.ts";
import type { OnStopped } from "../engine/decode/answer/terms.ts";
import type { Answers } from "../engine/encoders/text/encoder-model.ts";
import { certified, makeReceipt, type Receipt } from "../ledger/receipt.ts";
import type { Choice } from "../savings/auto/guarantee.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { Stoppable } from "./options.ts";

/** A run's recipe, and its certificate's choice. */
export interface RanUnder {
  readonly recipe: Recipe;
  readonly choice?: Choice | undefined;
}

/** Makes the receipts of one model. */
export class Biller {
  readonly #loaded = performance.now();
  /** Milliseconds of loading, billed to the first run. */
  #unbilledLoad: number;

  /** Created when the model is loaded, `loadTime` milliseconds after loading began. */
  constructor(
    private readonly name: string,
    loadTime: number,
    /** The adapter and the form of the weights with which the model was loaded. */
    private readonly loaded: Pick<Receipt, "adapter" | "form"> = {},
  ) {
    this.#unbilledLoad = loadTime;
  }

  receipt({ tokens, flops, bytes, work, arrived, ms }: Usage, { recipe, choice }: RanUnder, cut?: CutReason): Receipt {
    const load = this.#unbilledLoad;
    this.#unbilledLoad = 0;
    // If a request arrived before loading ended, the time until then is billed as loading, not as waiting.
    const waited = Math.min(load, Math.max(0, this.#loaded - arrived));
    return makeReceipt({
      model: this.name,
      recipe: choice ? [...choice.recipe] : recipe.map((s) => s.text),
      ...this.loaded,
      tokens,
      flops,
      bytes,
      work: { ...work, calls: { [this.name]: { dense: 1, run: 1 } } },
      ms: { ...ms, load, queue: ms.queue - waited },
      estimated: false,
      ...(cut && { cut }),
      ...(choice && certified(choice, { ms: ms.encode + ms.prefill + ms.decode, flops: flops.spent })),
    });
  }

  billed<T>({ answers, usage }: Answers<T>): { answers: T[]; receipt: Receipt } {
    return { answers, receipt: this.receipt(usage, { recipe: [] }) };
  }

  /** Makes a receipt for a stopped run's usage, if anything ran. */
  receiptOnStop(onStopped: Stoppable["onStopped"], recipe: RanUnder): OnStopped | undefined {
    return onStopped && ((usage) => void (usage.flops.spent > 0 && onStopped(this.receipt(usage, recipe))));
  }
}
