import { type Receipt, type RerankPipeline, UserError } from "modicum";
import type { Paper } from "../src/paper.ts";
import { Kept } from "./kept.ts";

/** Papers in a new order, and the cost of ordering them. */
export interface Order {
  readonly ids: readonly string[];
  readonly receipt: Receipt;
}

const KEPT = 200;

/** Orders search results with a model that reads them. Orders are cached, and computed one at a time. */
export class Reranking {
  readonly #orders = new Kept<Order>(KEPT);
  #ranker: Promise<RerankPipeline> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly open: () => Promise<RerankPipeline>,
    /** Called with the receipt of each newly computed order. */
    private readonly onMade: (receipt: Receipt) => Promise<void>,
  ) {}

  /** @throws UserError if there is no model */
  order(query: string, papers: readonly Paper[]): Promise<Order> {
    return this.#orders.of(JSON.stringify([query, papers.map(({ id }) => id)]), () => {
      const ranking = this.#turn.then(() => this.#make(query, papers));
      this.#turn = ranking.catch(() => {});
      return ranking;
    });
  }

  async #make(query: string, papers: readonly Paper[]): Promise<Order> {
    this.#ranker ??= this.open();
    const ranker = await this.#ranker.catch((error: unknown) => {
      this.#ranker = undefined;
      throw error instanceof UserError ? new UserError(`no model can order these papers: ${error.message}`) : error;
    });
    const texts = papers.map(({ title, abstract }) => `${title}. ${abstract}`);
    const { order, receipt } = await ranker.rerank(query, texts);
    await this.onMade(receipt);
    return { ids: order.map((index) => papers[index]!.id), receipt };
  }

  async close(): Promise<void> {
    (await this.#ranker?.catch(() => undefined))?.dispose();
  }
}
