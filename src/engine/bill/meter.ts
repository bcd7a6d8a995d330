import { addSpent, evalCost, evalDim, type Spent } from "../../graph/index.ts";
import type { Cost } from "../../graph/op.ts";
import type { DecoderConfig } from "../../models/decoder.ts";
import type { DecoderPrograms } from "../../models/programs.ts";
import { pastSizes } from "../../models/window-start.ts";
import type { AttentionBill } from "../../savings/seams.ts";

/** Units of one kind of work: how many ran, and how many dense would have run. */
export interface Counter {
  readonly dense: number;
  readonly run: number;
}

/** Counters by name: `blocks`, `layers`, `tokens`. */
export type Work = Readonly<Record<string, Counter>>;

/** A prompt's images: their tokens, and what their encoder cost before the decoder. */
export interface ImageBill {
  readonly tokens: number;
  readonly spent: Spent;
}

/** The cost of one request and of its dense run. Lengths are noted as it runs and priced when the bill is asked for. */
export class Meter implements AttentionBill {
  readonly #dense: Tally;
  readonly #spent: Spent = { flops: 0, bytes: 0 };
  readonly #overhead: Spent = { flops: 0, bytes: 0 };
  readonly #saved: Tally;
  /** Tokens that are billed as run here, and were run for another request. */
  spared = 0;
  readonly #work = new Map<string, { dense: number; run: number }>();
  /** Tokens that the stack ran on. */
  tokens = 0;

  constructor(readonly programs: DecoderPrograms) {
    const { config } = programs.decoder;
    [this.#dense, this.#saved] = [new Tally(config), new Tally(config)];
  }

  /** The stack ran densely over `tokens` new ones after `past`. */
  layers(tokens: number, past: number): void {
    this.insteadOfLayers(tokens, past);
    this.part(this.programs.stackCost, tokens, past);
  }

  /** Like `layers`, for tokens that another request computed. */
  spare(tokens: number, past: number): void {
    this.layers(tokens, past);
    this.spared += tokens;
  }

  /** Bills the head, and what follows the last attention, on `tokens` rows. */
  head(tokens: number): void {
    this.insteadOfHead(tokens);
    this.part(this.programs.headCost, tokens, 0);
  }

  /** Bills a dense run of the stack; its parts are billed one by one. */
  insteadOfLayers(tokens: number, past: number): void {
    this.tokens += tokens;
    this.#dense.note(this.programs.stackCost, tokens, past);
  }

  /** Bills a dense run of the head on `tokens` rows after the last layer. */
  insteadOfHead(tokens: number): void {
    this.#dense.note(this.programs.headCost, tokens, 0);
  }

  /** A part of the model ran over `tokens` new ones, `past` entries before them in its layers. */
  part(cost: Cost, tokens: number, past: number): void {
    this.#saved.note(cost, tokens, past);
  }

  /** Images were read for the prompt: dense would have, too. */
  images({ tokens, spent }: ImageBill): void {
    this.run(spent);
    this.#dense.add(spent);
    this.count("imageTokens", tokens, tokens);
  }

  run(cost: Spent): void {
    addSpent(this.#spent, cost);
  }

  overhead(cost: Spent): void {
    addSpent(this.#overhead, cost);
  }

  /** Overhead by the cost of a program over `tokens` tokens. */
  overheadPart(cost: Cost, tokens: number, past: number): void {
    this.overhead(this.#priced(cost, tokens, past));
  }

  /** The head of an exit ran on one row. Its cost beyond that of the model's own head is overhead. */
  exitHead(cost: Cost): void {
    const [own, usual] = [this.#priced(cost, 1, 0), this.#priced(this.programs.head.cost, 1, 0)];
    const within = { flops: Math.min(own.flops, usual.flops), bytes: Math.min(own.bytes, usual.bytes) };
    this.run(within);
    this.overhead({ flops: own.flops - within.flops, bytes: own.bytes - within.bytes });
  }

  #priced(cost: Cost, tokens: number, past: number): Spent {
    return evalCost(cost, { batch: 1, tokens, ...pastSizes(this.programs.decoder.config, past) });
  }

  count(name: string, dense: number, run: number): void {
    const sum = this.#work.get(name) ?? { dense: 0, run: 0 };
    this.#work.set(name, { dense: sum.dense + dense, run: sum.run + run });
  }

  /** Experts that ran for a token, against all that every mixture has. */
  #expertWork(): Work {
    const { experts } = this.programs.decoder.config;
    if (!experts) return {};
    const all = (this.#dense.experts * experts.count) / experts.active;
    return { experts: { dense: all, run: this.#saved.experts } };
  }

  total() {
    const dense = this.#dense.price();
    const spent = this.#saved.price();
    addSpent(spent, this.#spent);
    addSpent(spent, this.#overhead);
    const work: Work = { ...Object.fromEntries(this.#work), ...this.#expertWork() };
    return {
      flops: { dense: dense.flops, spent: spent.flops, overhead: this.#overhead.flops },
      bytes: { dense: dense.bytes, spent: spent.bytes },
      work,
    };
  }
}

/** Runs of graphs, priced once each. */
class Tally {
  readonly #sum: Spent = { flops: 0, bytes: 0 };
  /** Experts that ran, each for one token, in what was priced. */
  experts = 0;
  readonly #runs: { cost: Cost; tokens: number; past: number }[] = [];

  constructor(private readonly config: DecoderConfig) {}

  add(cost: Spent): void {
    addSpent(this.#sum, cost);
  }

  note(cost: Cost, tokens: number, past: number): void {
    this.#runs.push({ cost, tokens, past });
  }

  /** The cost of everything noted so far. */
  price(): Spent {
    for (const { cost, tokens, past } of this.#runs.splice(0)) {
      const sizes = { batch: 1, tokens, ...pastSizes(this.config, past) };
      addSpent(this.#sum, evalCost(cost, sizes));
      this.experts += evalDim(cost.experts ?? 0, sizes);
    }
    return { ...this.#sum };
  }
}

/** The bill of a run that no saving had a part in. */
export const denseBill = ({ flops, bytes }: Spent): ReturnType<Meter["total"]> => ({
  flops: { dense: flops, spent: flops, overhead: 0 },
  bytes: { dense: bytes, spent: bytes },
  work: {},
});
