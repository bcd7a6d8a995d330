import type { Histogram } from "prom-client";
import type { Receipt } from "../ledger/receipt.ts";
import { together } from "../ledger/together.ts";
import type { Call } from "./http/endpoint.ts";
import { deadlineOf } from "./limits.ts";
import type { ServerContext } from "./server-context.ts";

/** A request's owner, arrival time and trace. */
export type Asker = Pick<Call, "key" | "trace" | "taken">;

/** Collects a request's times and its parts' receipts. The bill is closed once, however the request ends. */
export class Bill {
  readonly #parts: Receipt[] = [];
  readonly #label: { model_name: string };
  /** The arrival time of each answer's latest token. */
  readonly #last = new Map<number, number>();
  #closed: Receipt | undefined;

  constructor(
    model: string,
    private readonly call: Asker,
    private readonly context: Pick<ServerContext, "ledger" | "metrics" | "rates" | "limits">,
    /** The adapter's name, which replaces the model's on the receipt, as it does in requests. */
    private readonly adapter?: string,
  ) {
    this.#label = { model_name: adapter ?? model };
  }

  /** Run options for each part of the request, which make even a stopped part add its receipt to this bill. */
  get terms() {
    return {
      key: this.call.key?.id,
      arrived: this.call.taken,
      deadline: deadlineOf(this.context.limits, this.call.taken),
      onStopped: (receipt: Receipt) => this.add(receipt),
    };
  }

  add(receipt: Receipt): void {
    this.#parts.push(receipt);
    if (receipt.server === undefined) this.context.metrics.queued.observe(this.#label, receipt.ms.queue / 1000);
    this.call.trace.part(receipt);
  }

  /** Records that a token of one of the answers has arrived. */
  token(answer = 0): void {
    const { firstToken, betweenTokens } = this.context.metrics;
    const last = this.#last.get(answer);
    this.#observe(last === undefined ? firstToken : betweenTokens, last ?? this.call.taken);
    this.#last.set(answer, performance.now());
  }

  #observe(measure: Histogram, since: number): void {
    measure.observe(this.#label, (performance.now() - since) / 1000);
  }

  /** Closes the bill; returns the request's one receipt, which goes to the ledger. */
  close(reason: string): Receipt {
    const { key, trace } = this.call;
    const { adapter } = this;
    const receipt = { ...together(this.#parts), ...(adapter && { model: adapter }), ...(key && { key: key.id }) };
    this.#closed = receipt;
    const { metrics, ledger, rates } = this.context;
    metrics.finished(receipt, reason, (performance.now() - this.call.taken) / 1000);
    trace.billed(receipt, reason);
    ledger.add(receipt);
    const { prompt, cached, completion } = receipt.tokens;
    if (key) rates.charge(key, prompt - cached + completion);
    return receipt;
  }

  /** Bills the completed work of an interrupted request; does nothing after `close`. */
  [Symbol.dispose](): void {
    if (!this.#closed && this.#parts.length > 0) this.close("abort");
  }
}
