import type { LabelSet } from "./labels.ts";
import type { BoundLabels, CallTerms, Scorer } from "./scorer.ts";

/** Reads the labels of a call only if they are others than those of the call before. */
export class KeptLabels implements Scorer {
  #kept: { readonly key: string; readonly bound: BoundLabels["bound"] } | undefined;

  constructor(private readonly scorer: Scorer) {}

  get kind() {
    return this.scorer.kind;
  }

  async bind(labels: LabelSet, terms: CallTerms): Promise<BoundLabels> {
    const key = JSON.stringify(labels);
    if (this.#kept?.key === key) return { bound: this.#kept.bound };
    const read = await this.scorer.bind(labels, terms);
    this.#kept = { key, bound: read.bound };
    return read;
  }
}
