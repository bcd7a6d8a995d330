import type { Spent } from "../../graph/index.ts";
import type { QZeroOptions } from "./options.ts";

const MOST_KEPT = 1000;

/** The cost of looked-up texts so far, by the options that they were looked up with. */
export class LookupPrices {
  readonly #sums = new Map<string, { texts: number; flops: number; bytes: number }>();

  /** `spent`: by `texts` texts together. */
  add(options: QZeroOptions, texts: number, { flops, bytes }: Spent): void {
    if (texts === 0) return;
    if (this.#sums.size >= MOST_KEPT) this.#sums.clear();
    const before = this.#sums.get(keyOf(options)) ?? { texts: 0, flops: 0, bytes: 0 };
    const sum = { texts: before.texts + texts, flops: before.flops + flops, bytes: before.bytes + bytes };
    this.#sums.set(keyOf(options), sum);
  }

  /** The mean of a text; undefined before the first. */
  mean(options: QZeroOptions): Spent | undefined {
    const sum = this.#sums.get(keyOf(options));
    return sum && { flops: sum.flops / sum.texts, bytes: sum.bytes / sum.texts };
  }
}

/** Which texts are looked up does not change what one costs. */
const keyOf = ({ when: _, margin: __, alpha: ___, ...options }: QZeroOptions): string => JSON.stringify(options);
