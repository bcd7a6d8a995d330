import type { Logger } from "pino";
import { LedgerFault } from "../ledger/database.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Ledger } from "../ledger/store.ts";
import { within } from "../util/within.ts";

/** Maximum receipts per write. */
const BATCH = 100;
/** Maximum receipts that wait for an unavailable ledger, about 1 kB each; beyond this, the oldest are lost. */
const MOST_WAITING = 10_000;
/** Maximum milliseconds that a request waits for earlier receipts to be written. */
const LONGEST_WAIT = 250;
/** Milliseconds until an unavailable ledger is tried again. */
const RETRY = 1_000;

/**
 * Writes receipts after their answers have been sent. If the ledger is down, they wait for it; lost receipts are logged
 * in full.
 */
export class LedgerQueue {
  readonly #waiting: Receipt[] = [];
  /** Receipts sent to the ledger and not yet confirmed. */
  #batch: readonly Receipt[] = [];
  #writing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #away = false;
  #closed = false;

  constructor(
    readonly ledger: Ledger,
    private readonly log: Logger,
    private readonly most = MOST_WAITING,
  ) {}

  add(receipt: Receipt): void {
    this.#waiting.push(receipt);
    const beyond = Math.max(0, this.#waiting.length - this.most);
    this.#lose(this.#waiting.splice(0, beyond), "too many receipts wait for the ledger");
    if (!this.#away) setImmediate(() => void this.flush());
  }

  /**
   * Resolves when earlier answers' receipts are written, so that killing the server loses only running requests'
   * receipts. Does not wait for a slow ledger.
   */
  async caughtUp(): Promise<void> {
    const behind = this.#waiting.length > 0 || this.#writing !== undefined;
    if (behind && !this.#away) await within(LONGEST_WAIT, this.flush());
  }

  /** Resolves when all receipts so far are written, or a write has failed. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      while (this.#waiting.length > 0) await this.#writeSome(this.#waiting.splice(0, BATCH));
    } catch (error) {
      if (this.#closed) return;
      if (!this.#away) this.log.error({ err: error }, "receipts wait until the ledger can be written again");
      this.#away = true;
      this.#retry = setTimeout(() => void this.flush(), RETRY);
    }
  }

  /** @throws LedgerFault; the receipts then still wait to be written */
  async #writeSome(some: readonly Receipt[]): Promise<void> {
    this.#batch = some;
    try {
      await this.ledger.add(...some);
    } catch (error) {
      if (!(error instanceof LedgerFault)) return this.#lose(some, error);
      this.#waiting.unshift(...some);
      throw error;
    } finally {
      this.#batch = [];
    }
    if (this.#away) this.log.info("the ledger can be written again");
    this.#away = false;
  }

  #lose(receipts: readonly Receipt[], why: unknown): void {
    for (const receipt of receipts) this.log.error({ err: why, receipt }, "a receipt was lost");
  }

  /**
   * Writes the waiting receipts, for at most `limit` milliseconds. Returns the number of lost receipts, which the
   * ledger did not accept.
   */
  async close(limit: number): Promise<number> {
    const until = performance.now() + limit;
    await within(limit, this.flush());
    this.#closed = true;
    clearTimeout(this.#retry);
    const lost = [...this.#batch, ...this.#waiting.splice(0)];
    this.#lose(lost, "the server stopped before the ledger could be written");
    if (lost.length > 0) this.log.error({ receipts: lost.length }, "receipts were lost when the server stopped");
    await within(Math.max(0, until - performance.now()), this.ledger.close());
    return lost.length;
  }
}
