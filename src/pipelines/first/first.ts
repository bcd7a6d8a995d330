import { letterOf } from "../../engine/decode/listwise/letters.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { RankRequest, Reranked, WindowTrace } from "../rank-pipeline.ts";
import type { TurnTerms } from "../request.ts";
import type { HeldModel } from "../resources.ts";
import { FirstBill } from "./bill.ts";
import { type Presorter, rankModelOf } from "./model.ts";
import { type FirstOptions, presortModel } from "./options.ts";
import { permuted, scoresByRank } from "./order.ts";
import { bm25, orderBy } from "./presort.ts";
import { WindowRanker, type WindowRanking } from "./window.ts";
import { type Window, windowsOf } from "./windows.ts";

export interface RerankTerms extends Omit<RankRequest, "query" | "documents"> {
  /** The reranker's name and recipe, as receipts show them. */
  readonly named: { readonly model: string; readonly recipe: readonly string[] };
  /** The encoder, if the options presort with an encoder. */
  readonly presorter?: Presorter | undefined;
}

/** Leases the window ranker while `work` runs. */
export type Lend = <T>(work: (ranker: WindowRanker) => Promise<T>) => Promise<T>;

/**
 * Orders documents by their relevance to a query, window by window (FIRST, Reddy et al., arXiv 2406.15657): a window's
 * prompt ends before a ranking's first letter, and the letters' logits there are the passages' scores. No ranking is
 * generated. The presort finishes before the ranker is leased.
 * @throws UserError for an empty query or list, a query that is too long, or a price above the ceiling
 */
export async function rerank(
  lend: Lend,
  query: string,
  documents: readonly string[],
  options: FirstOptions,
  terms: RerankTerms,
): Promise<Reranked> {
  if (query.trim() === "") throw new UserError("the query is empty, expected a text", 2);
  if (documents.length === 0) throw new UserError("no documents given; expected at least one", 2);
  const run = new Rerank(lend, query, documents, options, terms);
  try {
    return await run.whole();
  } finally {
    run.close();
  }
}

/** @throws UserError if the model does not generate text, or has no single tokens for letters */
export const rankerOf = (model: HeldModel, options: FirstOptions, save?: Recipe): WindowRanker =>
  new WindowRanker(rankModelOf(model, save), options);

class Rerank {
  readonly #bill: FirstBill;
  readonly #traces: WindowTrace[] = [];
  #order: number[];
  #done = false;
  #begun = false;

  constructor(
    private readonly lend: Lend,
    private readonly query: string,
    private readonly documents: readonly string[],
    private readonly options: FirstOptions,
    private readonly terms: RerankTerms,
  ) {
    this.#bill = new FirstBill(terms.named, terms.arrived);
    this.#order = [...documents.keys()];
  }

  async whole(): Promise<Reranked> {
    await this.#presort();
    // A single passage needs no order.
    const windows = windowsOf(this.documents.length, this.options).filter(([from, to]) => to - from > 1);
    await this.lend(async (ranker) => {
      this.#checkCeiling(ranker, windows);
      for (const window of windows) await this.#rank(ranker, window);
    });
    this.#done = true;
    const order = this.#order;
    return { order, scores: scoresByRank(order), windows: this.#traces, receipt: this.#bill.receipt() };
  }

  async #presort(): Promise<void> {
    const { documents, options } = this;
    if (options.presort === "none" || documents.length === 1) return;
    this.#order = orderBy(presortModel(options) === undefined ? this.#byTerms() : await this.#byEncoder(), documents);
  }

  #byTerms(): readonly number[] {
    const { scores, flops } = bm25(this.query, this.documents);
    this.#bill.presort({ texts: this.documents.length, flops });
    return scores;
  }

  async #byEncoder(): Promise<readonly number[]> {
    const { presorter } = this.terms;
    if (!presorter) throw new Error(`${this.terms.named.model}: its presort needs an encoder`);
    const { scores, receipt } = await presorter.relevance(this.query, this.documents, this.#call());
    this.#bill.presort({ texts: this.documents.length, flops: receipt.flops.spent, receipt });
    this.#begun = true;
    return scores;
  }

  async #rank(ranker: WindowRanker, window: Window): Promise<void> {
    const [from, to] = window;
    const indices = this.#order.slice(from, to);
    this.terms.signal?.throwIfAborted();
    const ranked = await ranker.rank(this.query, permuted(this.documents, indices), this.#call());
    this.#billed(ranker, ranked, indices.length);
    this.#order.splice(from, to - from, ...permuted(indices, ranked.order));
    this.#traces.push(traceOf(window, indices, ranked));
  }

  #billed(ranker: WindowRanker, { receipt }: WindowRanking, count: number): void {
    this.#begun = true;
    const { prompt, completion } = receipt.tokens;
    const tokens = Math.max(0, ranker.answerTokens(count) - completion);
    const spared = { tokens, ...ranker.model.priceSteps(prompt + completion - 1, tokens) };
    this.#bill.window({ receipt, letters: this.options.method === "single-token" ? count : 0, spared });
  }

  /**
   * Checks the price of all windows before ranking starts. It uses the initial order, since a window's length hardly
   * depends on which passages it holds.
   */
  #checkCeiling(ranker: WindowRanker, windows: readonly Window[]): void {
    const { ceiling } = this.terms;
    if (ceiling === undefined) return;
    const price = windows.reduce((sum, [from, to]) => {
      const { ids } = ranker.prompt(this.query, permuted(this.documents, this.#order.slice(from, to)));
      return sum + ranker.model.pricePrompt(ids.length).flops;
    }, this.#bill.spent);
    if (price <= ceiling) return;
    throw new UserError(
      `the windows cost about ${price.toExponential(3)} FLOPs, more than the ceiling of ${ceiling.toExponential(3)}`,
      2,
    );
  }

  /** The options of the next call; only the first call begins the request. */
  #call(): TurnTerms {
    const { named: _, ceiling, presorter, arrived, onBegun, ...terms } = this.terms;
    const onStopped = (receipt: Receipt) => {
      this.#begun = true;
      this.#bill.stopped(receipt);
    };
    return { ...terms, ...(!this.#begun && { arrived, onBegun }), onStopped };
  }

  /** Reports the cost of a reranking that was stopped or failed. */
  close(): void {
    if (!this.#done && this.#begun) this.terms.onStopped?.(this.#bill.receipt());
  }
}

const traceOf = (window: Window, indices: readonly number[], ranked: WindowRanking): WindowTrace => ({
  window,
  passages: indices.map((index, place) => ({ letter: letterOf(place), index, logit: ranked.logits[place]! })),
  order: ranked.order.map(letterOf),
  ...(ranked.text !== undefined && { text: ranked.text }),
  words: ranked.words,
  tokens: ranked.receipt.tokens,
});
