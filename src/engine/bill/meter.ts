import { addSpent, evalCost, evalDim, type Spent } from "../../graph/index.ts";
import type { Cost } from "../../graph/op.ts";
import type { DecoderPrograms } from "../../models/programs/programs.ts";
import { pastSizes } from "../../models/state/window-start.ts";
import type { AttentionBill } from "../../savings/seams.ts";
import { denseChunks } from "../decode/run/chunk.ts";
import type { WholeImage } from "../decode/run/whole-images.ts";

/** Counts of one kind of work: the units run, and the units in a dense run. */
export interface Counter {
  readonly dense: number;
  readonly run: number;
}

/** Counters by name: `blocks`, `layers`, `tokens`. */
export type Work = Readonly<Record<string, Counter>>;

/** The images of a prompt: their tokens, and the cost of encoding them for the decoder. */
export interface ImageBill {
  readonly tokens: number;
  readonly spent: Spent;
}

/** A run of a part of the model over `tokens` new tokens, with `past` earlier entries in the caches of its layers. */
export interface PartRun {
  readonly cost: Cost;
  readonly tokens: number;
  readonly past: number;
}

/**
 * The cost of one request and of its dense run. Lengths are recorded as it runs and priced when the bill is read. The
 * dense cost follows from the request's lengths, whatever its recipe runs.
 */
export class Meter implements AttentionBill {
  /** Dense costs that belong to no run. */
  readonly #dense: Spent = { flops: 0, bytes: 0 };
  readonly #denseRuns: PartRun[] = [];
  /** Texts that a dense run reads in chunks: `tokens` tokens after `past` earlier ones. */
  readonly #texts: { readonly past: number; readonly images: readonly WholeImage[]; tokens: number }[] = [];
  readonly #spent = { flops: 0, bytes: 0, experts: 0, overhead: 0 };
  readonly #overhead: Spent = { flops: 0, bytes: 0 };
  /** The request's runs that `spent` has not priced yet. */
  readonly #runs: PartRun[] = [];
  /** Billed runs that dense would not have made. */
  readonly #wasted: PartRun[] = [];
  /** The number of tokens billed as run, but computed for another request. */
  spared = 0;
  readonly #work = new Map<string, { dense: number; run: number }>();
  /** The number of tokens that the stack ran on. */
  tokens = 0;

  constructor(readonly programs: DecoderPrograms) {}

  /** Records a dense run of the stack over `tokens` new tokens after `past`. */
  layers(tokens: number, past: number): void {
    this.insteadOfLayers(tokens, past);
    this.part(this.programs.stackCost, tokens, past);
  }

  /** Like `layers`, but for tokens that another request computed. */
  spare(tokens: number, past: number): void {
    this.layers(tokens, past);
    this.spared += tokens;
  }

  /**
   * Bills the head, and the part after the last attention, on `tokens` rows of a dense run; `runs`: the actual runs, if
   * they differ.
   */
  head(tokens: number, runs: readonly PartRun[] = [{ cost: this.programs.headCost, tokens, past: 0 }]): void {
    this.insteadOfHead(tokens);
    this.parts(runs);
  }

  /** Adds a run of the stack to the dense bill only; the parts that really run are billed separately. */
  insteadOfLayers(tokens: number, past: number): void {
    this.tokens += tokens;
    this.#denseRuns.push({ cost: this.programs.stackCost, tokens, past });
  }

  /**
   * Adds the stack's run over a text after `past` tokens to the dense bill, in a dense run's chunks, which split no
   * image. Returns a function to call after each run with its number of tokens.
   */
  insteadOfText(past: number, images: readonly WholeImage[] = []): (tokens: number) => void {
    const text = { past, images, tokens: 0 };
    this.#texts.push(text);
    return (tokens) => {
      this.tokens += tokens;
      text.tokens += tokens;
    };
  }

  /** Adds the head's run on `tokens` rows after the last layer to the dense bill. */
  insteadOfHead(tokens: number): void {
    this.#denseRuns.push({ cost: this.programs.headCost, tokens, past: 0 });
  }

  /** Adds the head's runs on a text's rows, except the first `skipped`, to the dense bill: one per dense chunk. */
  insteadOfScores(past: number, tokens: number, skipped = 0): void {
    for (const chunk of denseChunks(this.programs, past, tokens)) {
      const rows = Math.min(chunk.tokens, chunk.past + chunk.tokens - past - skipped);
      if (rows > 0) this.insteadOfHead(rows);
    }
  }

  /** Records a run of a part of the model over `tokens` new tokens, with `past` entries in its layers' caches. */
  part(cost: Cost, tokens: number, past: number): void {
    this.#runs.push({ cost, tokens, past });
  }

  parts(runs: readonly PartRun[]): void {
    this.#runs.push(...runs);
  }

  /** Moves billed runs to overhead: dense would not have run them. */
  waste(runs: readonly PartRun[]): void {
    this.#wasted.push(...runs);
  }

  /** A bill for work that replaces a part of the dense run; any cost in excess of that part is overhead. */
  insteadOfPart(cost: Cost, tokens: number, past: number): AttentionBill {
    let remaining = this.#priced([{ cost, tokens, past }]).flops;
    return {
      run: ({ flops, bytes }) => {
        const within = Math.min(flops, remaining);
        remaining -= within;
        this.run({ flops: within, bytes });
        this.overhead({ flops: flops - within, bytes: 0 });
      },
      overhead: (spent) => this.overhead(spent),
      count: (name, dense, run) => this.count(name, dense, run),
    };
  }

  /** Adds a dense cost that is not part of any run. */
  insteadOf(cost: Spent): void {
    addSpent(this.#dense, cost);
  }

  /** Records the images of a prompt, with the same cost as in the dense run. */
  images({ tokens, spent }: ImageBill): void {
    this.run(spent);
    this.insteadOf(spent);
    this.count("imageTokens", tokens, tokens);
  }

  run(cost: Spent): void {
    addSpent(this.#spent, cost);
  }

  overhead(cost: Spent): void {
    addSpent(this.#overhead, cost);
  }

  /** Records overhead: the cost of a program over `tokens` tokens. */
  overheadPart(cost: Cost, tokens: number, past: number): void {
    this.overhead(this.#priced([{ cost, tokens, past }]));
  }

  /** Records a run of an exit's head on one row. Its cost beyond the model's own head is overhead. */
  exitHead(cost: Cost): void {
    this.insteadOfPart(this.programs.head.cost, 1, 0).run(this.#priced([{ cost, tokens: 1, past: 0 }]));
  }

  /**
   * The total cost of runs, the number of expert calls (one per token and expert), and the FLOPs beyond a dense run.
   */
  #priced(runs: Iterable<PartRun>): Spent & { readonly experts: number; readonly overhead: number } {
    const sum = { flops: 0, bytes: 0, experts: 0, overhead: 0 };
    for (const { cost, tokens, past } of runs) {
      const sizes = { batch: 1, tokens, ...pastSizes(this.programs.decoder.config, past) };
      addSpent(sum, evalCost(cost, sizes));
      sum.experts += evalDim(cost.experts ?? 0, sizes);
      sum.overhead += evalDim(cost.overhead ?? 0, sizes);
    }
    return sum;
  }

  *#allOfDense(): Generator<PartRun> {
    yield* this.#denseRuns;
    const { programs } = this;
    for (const { past, tokens, images } of this.#texts)
      for (const { ahead, ...chunk } of denseChunks(programs, past, tokens, images))
        yield { cost: ahead ? programs.imagesCost : programs.stackCost, ...chunk };
  }

  count(name: string, dense: number, run: number): void {
    const sum = this.#work.get(name) ?? { dense: 0, run: 0 };
    this.#work.set(name, { dense: sum.dense + dense, run: sum.run + run });
  }

  /** Expert calls made, and calls if mixtures ran all their experts; `active`: the calls in a dense run. */
  #expertWork(active: number): Work {
    const { experts } = this.programs.decoder.config;
    if (!experts) return {};
    return { experts: { dense: (active * experts.count) / experts.active, run: this.#spent.experts } };
  }

  /** The cost of everything run so far. */
  spent(): Spent {
    const latest = this.#priced(this.#runs.splice(0));
    addSpent(this.#spent, latest);
    this.#spent.experts += latest.experts;
    this.#spent.overhead += latest.overhead;
    return { flops: this.#spent.flops + this.#overhead.flops, bytes: this.#spent.bytes + this.#overhead.bytes };
  }

  /** `drafts`: runs over unchecked tokens, which are overhead if the request ends here. */
  total(drafts: readonly PartRun[] = []) {
    const dense = this.#priced(this.#allOfDense());
    // Dense excludes the cost added by the form of the weights, because that cost is overhead.
    dense.flops -= dense.overhead;
    addSpent(dense, this.#dense);
    const spent = this.spent();
    const drafted = this.#priced([...this.#wasted, ...drafts]).flops;
    const caused = this.#overhead.flops + this.#spent.overhead + drafted;
    // Windows are bound in steps, so a run with fewer entries may cost slightly more than dense.
    const overhead = Math.max(caused, spent.flops - dense.flops);
    const work: Work = { ...Object.fromEntries(this.#work), ...this.#expertWork(dense.experts) };
    return {
      flops: { dense: dense.flops, spent: spent.flops, overhead },
      bytes: { dense: dense.bytes, spent: spent.bytes },
      work,
    };
  }
}

/** The bill of a run without savings. */
export const denseBill = ({ flops, bytes }: Spent): ReturnType<Meter["total"]> => ({
  flops: { dense: flops, spent: flops, overhead: 0 },
  bytes: { dense: bytes, spent: bytes },
  work: {},
});
