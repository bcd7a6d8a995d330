import type { Receipt } from "../ledger/receipt.ts";
import { together } from "../ledger/together.ts";
import type { House } from "./house.ts";
import type { Call } from "./http/endpoint.ts";

/** What one request comes to: the receipts of its parts, and its times. It is closed once, however the request ends. */
export class Bill {
  readonly #parts: Receipt[] = [];
  readonly #started = performance.now();
  readonly #label: { model_name: string };
  #last: number | undefined;
  #closed: Receipt | undefined;

  constructor(
    model: string,
    /** Whose request it is, and who is told of it. */
    private readonly call: Pick<Call, "key" | "trace">,
    private readonly house: Pick<House, "ledger" | "metrics" | "rates">,
  ) {
    this.#label = { model_name: model };
  }

  add(receipt: Receipt): void {
    this.#parts.push(receipt);
    this.call.trace.part(receipt);
  }

  /** A token has come. */
  token(): void {
    const now = performance.now();
    const [since, measure] =
      this.#last === undefined
        ? [this.#started, this.house.metrics.firstToken]
        : [this.#last, this.house.metrics.betweenTokens];
    measure.observe(this.#label, (now - since) / 1000);
    this.#last = now;
  }

  /** The request's one receipt, which goes to the ledger. */
  close(reason: string): Receipt {
    const { key, trace } = this.call;
    const receipt = { ...together(this.#parts), ...(key && { key: key.id }) };
    this.#closed = receipt;
    const { metrics, ledger, rates } = this.house;
    metrics.finished(receipt, reason, (performance.now() - this.#started) / 1000);
    trace.billed(receipt, reason);
    ledger.add(receipt);
    const { prompt, cached, completion } = receipt.tokens;
    if (key) rates.charge(key, prompt - cached + completion);
    return receipt;
  }

  /** Bills what has run of a request that did not come to its end; nothing after `close`. */
  [Symbol.dispose](): void {
    if (!this.#closed && this.#parts.length > 0) this.close("abort");
  }
}
