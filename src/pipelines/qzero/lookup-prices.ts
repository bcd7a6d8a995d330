import type { Spent } from "../../graph/index.ts";
import type { QZeroOptions } from "./options.ts";

const MOST_KEPT = 1000;

interface LookedUp {
  /** True if documents come from an index: the search is a part of the cost. */
  readonly searched: boolean;
  readonly options: QZeroOptions;
}

/** The cost of looked-up texts so far, by the way in which they were looked up. */
export class LookupPrices {
  readonly #sums = new Map<string, { texts: number; flops: number; bytes: number }>();

  /** `spent`: by `texts` texts together. */
  add(how: LookedUp, texts: number, { flops, bytes }: Spent): void {
    if (texts === 0) return;
    if (this.#sums.size >= MOST_KEPT) this.#sums.clear();
    const before = this.#sums.get(keyOf(how)) ?? { texts: 0, flops: 0, bytes: 0 };
    const sum = { texts: before.texts + texts, flops: before.flops + flops, bytes: before.bytes + bytes };
    this.#sums.set(keyOf(how), sum);
  }

  /** The mean of a text; undefined before the first. */
  mean(how: LookedUp): Spent | undefined {
    const sum = this.#sums.get(keyOf(how));
    return sum && { flops: sum.flops / sum.texts, bytes: sum.bytes / sum.texts };
  }
}

/** Which texts are looked up does not change what one costs. */
const keyOf = ({ searched, options: { when: _, margin: __, alpha: ___, ...options } }: LookedUp): string =>
  JSON.stringify({ searched, ...options });
