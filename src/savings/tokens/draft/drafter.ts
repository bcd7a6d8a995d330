import { addSpent, type Spent } from "../../../graph/index.ts";
import type { Drafter, LastStream } from "../../plan.ts";
import { LookupDrafter } from "../lookup/lookup.ts";
import type { DraftOptions } from "./draft.ts";
import { CAPACITY, DraftCache, type DraftNetwork } from "./network.ts";

/** The maximum number of quoted tokens per draft, as in `lookup`. */
const QUOTED = 8;
/** The maximum number of latest tokens whose residual streams the network reads. */
const WAITING = 64;

/** Drafts with a network, or quotes the text if it repeats itself. */
export class NetworkDrafter implements Drafter {
  readonly lengths: readonly number[];
  readonly #quotes: LookupDrafter | undefined;
  readonly #cache = new DraftCache();
  /** The number of positions that the network has read. */
  #past = 0;
  /** The residual streams of the latest tokens, which the network has not read yet. */
  #waiting: Float32Array[] = [];
  /** The number of unread streams that the last run of the model added. */
  #added = 0;
  #quoted = false;
  #spent: Spent = { flops: 0, bytes: 0 };

  constructor(
    private readonly network: DraftNetwork,
    private readonly options: DraftOptions,
  ) {
    const { match, tokens } = options;
    this.#quotes = match > 0 ? new LookupDrafter({ match, tokens: QUOTED }) : undefined;
    const own = Array.from({ length: tokens }, (_, i) => i + 1);
    this.lengths = [...new Set([...own, ...(this.#quotes?.lengths ?? [])])];
  }

  read({ branch, residual }: LastStream): void {
    const [, count, hidden] = branch.shape as [number, number, number];
    const sum = branch.floats.slice();
    for (const [i, value] of residual.floats.entries()) sum[i]! += value;
    for (let row = 0; row < count; row++) this.#waiting.push(sum.subarray(row * hidden, (row + 1) * hidden));
    this.#added = count;
  }

  draft(tokens: readonly number[], next: number, most: number): readonly number[] {
    const quote = this.#quotes?.draft(tokens, next, most) ?? [];
    this.#quoted = quote.length > 0;
    return this.#quoted ? quote : this.#guessed(tokens, next, Math.min(most, this.options.tokens));
  }

  judge(right: number): void {
    // Drops the residual streams of wrong draft tokens.
    this.#waiting.length -= this.#added - right - 1;
    if (this.#quoted) this.#quotes!.judge(right);
  }

  takeCost(): Spent {
    const spent = this.#spent;
    this.#spent = { flops: 0, bytes: 0 };
    return spent;
  }

  #guessed(tokens: readonly number[], next: number, most: number): number[] {
    const streams = this.#waiting.slice(-WAITING);
    if (streams.length === 0) return [];
    // If positions were skipped, or do not fit the network's cache, the network starts over.
    if (streams.length < this.#waiting.length || this.#past + streams.length + most > CAPACITY) this.#past = 0;
    this.#waiting = [];
    const behind = [...tokens, next].slice(-streams.length);
    let found = this.#run(streams, behind, this.#past);
    this.#past += streams.length;
    const draft: number[] = [];
    for (let sure = found.probability; sure >= this.options.confidence; sure *= found.probability) {
      draft.push(found.token);
      if (draft.length === most) break;
      found = this.#run([found.stream], [found.token], this.#past + draft.length - 1);
    }
    return draft;
  }

  #run(streams: readonly Float32Array[], behind: readonly number[], past: number) {
    addSpent(this.#spent, this.network.costOf(streams.length, past));
    return this.network.run(this.#cache, { streams, behind, past });
  }
}
