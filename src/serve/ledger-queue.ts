import type { Receipt } from "../ledger/receipt.ts";
import type { Ledger } from "../ledger/store.ts";

/** Writes receipts after the answers they belong to have gone out. */
export class LedgerQueue {
  readonly #waiting: Receipt[] = [];
  #scheduled = false;

  constructor(
    readonly ledger: Ledger,
    private readonly onError: (error: unknown) => void,
  ) {}

  add(receipt: Receipt): void {
    this.#waiting.push(receipt);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Writes all that wait. A ledger that fails is logged; answers do not depend on it. */
  flush(): void {
    this.#scheduled = false;
    for (const receipt of this.#waiting.splice(0)) {
      try {
        this.ledger.add(receipt);
      } catch (error) {
        this.onError(error);
      }
    }
  }

  close(): void {
    this.flush();
    this.ledger.close();
  }
}
