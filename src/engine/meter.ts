import { addSpent, evalCost, type Spent } from "../graph/index.ts";
import type { Cost } from "../graph/op.ts";
import { pasts } from "../models/near.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import type { AttentionBill } from "../savings/seams.ts";

/** What one request spent and what its dense run would have; lengths are noted as it runs and priced when it ends. */
export class Meter implements AttentionBill {
  readonly #dense: { cost: Cost; tokens: number; past: number }[] = [];
  readonly #spent: Spent = { flops: 0, bytes: 0 };
  readonly #overhead: Spent = { flops: 0, bytes: 0 };
  readonly #saved: { cost: Cost; tokens: number; past: number }[] = [];
  #blocks: { dense: number; run: number } | undefined;

  constructor(readonly programs: DecoderPrograms) {}

  /** The whole stack ran densely over `tokens` new ones after `past`. */
  layers(tokens: number, past: number): void {
    this.#dense.push({ cost: this.programs.stackCost, tokens, past });
    this.#saved.push({ cost: this.programs.stackCost, tokens, past });
  }

  /** The head ran on `tokens` rows. */
  head(tokens: number): void {
    this.#dense.push({ cost: this.programs.head.cost, tokens, past: 0 });
    this.#saved.push({ cost: this.programs.head.cost, tokens, past: 0 });
  }

  /** The stack would have run densely; its parts are billed one by one. */
  insteadOfLayers(tokens: number, past: number): void {
    this.#dense.push({ cost: this.programs.stackCost, tokens, past });
  }

  part(cost: Cost, tokens: number, past: number): void {
    this.#saved.push({ cost, tokens, past });
  }

  run(cost: Spent): void {
    addSpent(this.#spent, cost);
  }

  overhead(cost: Spent): void {
    addSpent(this.#overhead, cost);
  }

  blocks(dense: number, run: number): void {
    this.#blocks ??= { dense: 0, run: 0 };
    this.#blocks.dense += dense;
    this.#blocks.run += run;
  }

  total() {
    const dense = this.#price(this.#dense);
    const spent = this.#price(this.#saved);
    addSpent(spent, this.#spent);
    addSpent(spent, this.#overhead);
    return {
      flops: { dense: dense.flops, spent: spent.flops, overhead: this.#overhead.flops },
      bytes: { dense: dense.bytes, spent: spent.bytes },
      blocks: this.#blocks,
    };
  }

  #price(runs: readonly { cost: Cost; tokens: number; past: number }[]): Spent {
    const { config } = this.programs.decoder;
    const sum = { flops: 0, bytes: 0 };
    for (const { cost, tokens, past } of runs)
      addSpent(sum, evalCost(cost, { batch: 1, tokens, ...pasts(config, past) }));
    return sum;
  }
}

/** The bill of a run that no saving had a part in. */
export const denseBill = ({ flops, bytes }: Spent): ReturnType<Meter["total"]> => ({
  flops: { dense: flops, spent: flops, overhead: 0 },
  bytes: { dense: bytes, spent: bytes },
  blocks: undefined,
});
