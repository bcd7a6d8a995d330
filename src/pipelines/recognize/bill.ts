import type { Stopwatch } from "../../engine/bill/stopwatch.ts";
import { addSpent, type Spent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import type { Recognizer } from "./recognizer.ts";

/**
 * Sums the cost of a recognition. Dense is crop-and-classify: the image–text model sees each region's part of the
 * picture by itself. Overhead is the localiser and the bridge.
 */
export class RecognizeBill {
  readonly #texts: Spent & { tokens: number } = { flops: 0, bytes: 0, tokens: 0 };
  readonly #tower: Spent = { flops: 0, bytes: 0 };
  readonly #overhead: Spent = { flops: 0, bytes: 0 };

  constructor(
    private readonly recognizer: Pick<Recognizer, "model">,
    private readonly time: Stopwatch,
  ) {}

  texts({ cost, tokens }: { readonly cost: Spent; readonly tokens: number }): void {
    addSpent(this.#texts, cost);
    this.#texts.tokens += tokens;
  }

  tower(cost: Spent): void {
    addSpent(this.#tower, cost);
  }

  overhead(cost: Spent): void {
    addSpent(this.#overhead, cost);
  }

  receipt(regions: number): Receipt {
    const { source, model, imageCost } = this.recognizer.model;
    const { tokens: imageTokens } = model.image;
    const spent = (of: keyof Spent) => this.#texts[of] + this.#tower[of] + this.#overhead[of];
    const dense = (of: keyof Spent) => this.#texts[of] + regions * imageCost[of];
    return makeReceipt({
      ...{ model: source.name, recipe: ["recognize"], estimated: false },
      tokens: { prompt: this.#texts.tokens + imageTokens, cached: 0, completion: 0 },
      flops: { dense: dense("flops"), spent: spent("flops"), overhead: this.#overhead.flops },
      bytes: { dense: dense("bytes"), spent: spent("bytes") },
      work: {
        imageTokens: { dense: regions * imageTokens, run: imageTokens },
        regions: { dense: regions, run: regions },
        calls: { [source.name]: { dense: regions, run: 1 } },
      },
      ms: { load: 0, ...this.time.total().ms },
    });
  }
}
