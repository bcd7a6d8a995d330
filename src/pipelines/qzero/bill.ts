import type { Spent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { amountsOf } from "../../ledger/together.ts";
import { WallTime } from "../../ledger/wall-time.ts";
import type { QZeroOptions } from "./options.ts";

/** Counts of a call's texts by outcome. */
export interface Outcome {
  readonly texts: number;
  /** The number of texts that were not looked up. */
  readonly skipped: number;
  /** The number of texts that were looked up without a result. */
  readonly fallbacks: number;
  /** True if texts were read without categories only to decide which to look up. */
  readonly gated: boolean;
  /** True if documents come from an index. */
  readonly searched: boolean;
}

/**
 * Combines a classification's receipts. Dense looks up every text, and reads a text without categories only if it
 * finds none or the mode mixes the text's score with theirs.
 */
export class QZeroBill {
  readonly #time: WallTime;
  readonly #plain: Receipt[] = [];
  readonly #searches: Receipt[] = [];
  readonly #lookedUp: Receipt[] = [];
  readonly #others: Receipt[] = [];

  constructor(
    private readonly named: { readonly model: string; readonly recipe: readonly string[] },
    arrived: number | undefined,
  ) {
    this.#time = new WallTime(arrived);
  }

  /** Adds the receipt of texts read without categories. */
  plain(receipt: Receipt): void {
    this.#plain.push(receipt);
  }

  search(receipt: Receipt): void {
    this.#searches.push(receipt);
  }

  /** Adds the receipt of texts read with categories. */
  lookedUp(receipt: Receipt): void {
    this.#lookedUp.push(receipt);
  }

  /** Adds the receipt of encoded labels, or of stopped work. */
  other(receipt: Receipt): void {
    this.#others.push(receipt);
  }

  get #all(): Receipt[] {
    return [...this.#others, ...this.#plain, ...this.#lookedUp, ...this.#searches];
  }

  get spent(): number {
    return amountsOf(this.#all).flops.spent;
  }

  /** The cost of searches and of texts read with categories. */
  get lookups(): Spent {
    const { flops, bytes } = amountsOf([...this.#searches, ...this.#lookedUp]);
    return { flops: flops.spent, bytes: bytes.spent };
  }

  /**
   * `price`: the estimated cost of a lookup, counted as saved for each text that was not looked up; without it,
   * nothing counts as saved.
   */
  receipt({ texts, skipped, fallbacks, gated, searched }: Outcome, price: Spent | undefined): Receipt {
    const all = amountsOf(this.#all);
    const plain = amountsOf(this.#plain);
    const share = (part: number) => (gated ? part / texts : 0);
    // Shares of the plain readings: those that dense would skip, and those that only decided whether to look up.
    const [spared, gate] = [share(texts - fallbacks), share(texts - fallbacks - skipped)];
    const run = this.#searches.length;
    const dense = (of: "flops" | "bytes") =>
      all[of].spent - spared * plain[of].spent + skipped * (price?.[of] ?? share(1) * plain[of].spent);
    return makeReceipt({
      ...all,
      model: this.named.model,
      recipe: [...this.named.recipe],
      flops: {
        dense: dense("flops"),
        spent: all.flops.spent,
        overhead: amountsOf(this.#searches).flops.spent + gate * plain.flops.spent,
      },
      bytes: { dense: dense("bytes"), spent: all.bytes.spent },
      work: { ...all.work, ...(searched && { retrievals: { dense: run + skipped, run } }) },
      ms: this.#time.times(this.#all),
      estimated: skipped > 0 || all.estimated,
    });
  }

  /** The receipt of a stopped call. */
  stopped(): Receipt {
    return this.receipt(
      { texts: 1, skipped: 0, fallbacks: 0, gated: false, searched: this.#searches.length > 0 },
      undefined,
    );
  }
}

const MOST_KEPT = 1000;

interface LookedUp {
  /** True if documents come from an index, so that the search is part of the cost. */
  readonly searched: boolean;
  readonly options: QZeroOptions;
}

/** The mean cost of lookups so far, by kind of lookup. */
export class LookupPrices {
  readonly #sums = new Map<string, { texts: number; flops: number; bytes: number }>();

  /** Adds the cost of looking up `texts` texts. */
  add(how: LookedUp, texts: number, { flops, bytes }: Spent): void {
    if (texts === 0) return;
    if (this.#sums.size >= MOST_KEPT) this.#sums.clear();
    const before = this.#sums.get(keyOf(how)) ?? { texts: 0, flops: 0, bytes: 0 };
    const sum = { texts: before.texts + texts, flops: before.flops + flops, bytes: before.bytes + bytes };
    this.#sums.set(keyOf(how), sum);
  }

  /** The mean cost per text; undefined before the first lookup. */
  mean(how: LookedUp): Spent | undefined {
    const sum = this.#sums.get(keyOf(how));
    return sum && { flops: sum.flops / sum.texts, bytes: sum.bytes / sum.texts };
  }
}

/** Options that only choose the texts to look up are left out, since they do not change a lookup's cost. */
const keyOf = ({ searched, options: { when: _, margin: __, alpha: ___, ...options } }: LookedUp): string =>
  JSON.stringify({ searched, ...options });
