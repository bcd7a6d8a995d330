import { addSpent, evalCost, type Spent } from "../graph/index.ts";
import type { Cost } from "../graph/op.ts";
import type { DecoderConfig } from "../models/decoder.ts";
import { pasts } from "../models/near.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import type { AttentionBill } from "../savings/seams.ts";

/** What one request spent and what its dense run would have; lengths are noted as it runs and priced when its bill is asked for. */
export class Meter implements AttentionBill {
  readonly #dense: Tally;
  readonly #spent: Spent = { flops: 0, bytes: 0 };
  readonly #overhead: Spent = { flops: 0, bytes: 0 };
  readonly #saved: Tally;
  /** Tokens that are billed as run here, and were run for another request. */
  spared = 0;
  #blocks: { dense: number; run: number } | undefined;
  /** On which the stack ran. */
  tokens = 0;

  constructor(readonly programs: DecoderPrograms) {
    const { config } = programs.decoder;
    [this.#dense, this.#saved] = [new Tally(config), new Tally(config)];
  }

  /** The stack ran densely over `tokens` new ones after `past`. */
  layers(tokens: number, past: number): void {
    this.tokens += tokens;
    this.#dense.note(this.programs.stackCost, tokens, past);
    this.#saved.note(this.programs.stackCost, tokens, past);
  }

  /** As `layers`, of what another request had computed. */
  spare(tokens: number, past: number): void {
    this.layers(tokens, past);
    this.spared += tokens;
  }

  /** The head ran on `tokens` rows. */
  head(tokens: number): void {
    this.#dense.note(this.programs.head.cost, tokens, 0);
    this.#saved.note(this.programs.head.cost, tokens, 0);
  }

  /** The stack would have run densely; its parts are billed one by one. */
  insteadOfLayers(tokens: number, past: number): void {
    this.tokens += tokens;
    this.#dense.note(this.programs.stackCost, tokens, past);
  }

  part(cost: Cost, tokens: number, past: number): void {
    this.#saved.note(cost, tokens, past);
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
    const dense = this.#dense.price();
    const spent = this.#saved.price();
    addSpent(spent, this.#spent);
    addSpent(spent, this.#overhead);
    return {
      flops: { dense: dense.flops, spent: spent.flops, overhead: this.#overhead.flops },
      bytes: { dense: dense.bytes, spent: spent.bytes },
      blocks: this.#blocks,
    };
  }
}

/** Runs of graphs, priced once each. */
class Tally {
  readonly #sum: Spent = { flops: 0, bytes: 0 };
  readonly #runs: { cost: Cost; tokens: number; past: number }[] = [];

  constructor(private readonly config: DecoderConfig) {}

  note(cost: Cost, tokens: number, past: number): void {
    this.#runs.push({ cost, tokens, past });
  }

  /** Of all that was noted. */
  price(): Spent {
    for (const { cost, tokens, past } of this.#runs.splice(0))
      addSpent(this.#sum, evalCost(cost, { batch: 1, tokens, ...pasts(this.config, past) }));
    return { ...this.#sum };
  }
}

/** The bill of a run that no saving had a part in. */
export const denseBill = ({ flops, bytes }: Spent): ReturnType<Meter["total"]> => ({
  flops: { dense: flops, spent: flops, overhead: 0 },
  bytes: { dense: bytes, spent: bytes },
  blocks: undefined,
});
