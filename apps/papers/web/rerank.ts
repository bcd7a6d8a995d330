import { type Receipt, type RerankPipeline, UserError } from "modicum";
import type { Paper } from "../src/paper.ts";

/** Papers in a new order, and what that cost. */
export interface Order {
  readonly ids: readonly string[];
  readonly receipt: Receipt;
}

const KEPT = 200;

/** Orders search results by a model that reads them. Orders are kept, and made one at a time. */
export class Reranking {
  readonly #orders = new Map<string, Order>();
  #ranker: Promise<RerankPipeline> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly open: () => Promise<RerankPipeline>) {}

  /** The order, and whether it was made just now. @throws UserError if there is no model */
  async order(query: string, papers: readonly Paper[]): Promise<Order & { readonly fresh: boolean }> {
    const key = JSON.stringify([query, papers.map(({ id }) => id)]);
    const kept = this.#orders.get(key);
    if (kept) return { ...kept, fresh: false };
    const made = this.#turn.then(() => this.#make(query, papers));
    this.#turn = made.catch(() => {});
    const order = await made;
    this.#orders.set(key, order);
    for (const oldest of this.#orders.keys()) if (this.#orders.size > KEPT) this.#orders.delete(oldest);
    return { ...order, fresh: true };
  }

  async #make(query: string, papers: readonly Paper[]): Promise<Order> {
    this.#ranker ??= this.open();
    const ranker = await this.#ranker.catch((error: unknown) => {
      this.#ranker = undefined;
      throw error instanceof UserError ? new UserError(`no model can order these papers: ${error.message}`) : error;
    });
    const texts = papers.map(({ title, abstract }) => `${title}. ${abstract}`);
    const { order, receipt } = await ranker.rerank(query, texts);
    return { ids: order.map((index) => papers[index]!.id), receipt };
  }

  async close(): Promise<void> {
    (await this.#ranker?.catch(() => undefined))?.dispose();
  }
}
