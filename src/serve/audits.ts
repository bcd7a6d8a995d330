import type { Logger } from "pino";
import { makeReceipt } from "../ledger/receipt.ts";
import { type AuditOutcome, Auditor } from "../library/auditor.ts";
import type { LedgerQueue } from "./ledger-queue.ts";

/** Runs a server's audits; records their receipts and logs their outcomes. */
export class Audits {
  readonly auditor: Auditor | undefined;

  /** With a `share` of 0, nothing is audited. */
  constructor(
    share: number,
    private readonly ledger: Pick<LedgerQueue, "add">,
    private readonly log: Logger,
  ) {
    const onAudit = (outcome: AuditOutcome) => this.#audited(outcome);
    const onFault = (certificate: string, fault: string) => log.warn({ certificate, fault }, "not audited");
    this.auditor = share > 0 ? new Auditor({ share, onAudit, onFault }) : undefined;
  }

  #audited({ certificate, model, state, off, usage }: AuditOutcome): void {
    if (usage) {
      const { tokens, flops, bytes, work, ms } = usage;
      const parts = { tokens, flops, bytes, work, ms: { ...ms, load: 0 } };
      this.ledger.add(makeReceipt({ model, recipe: [], ...parts, estimated: false, purpose: "audit" }));
    }
    const { wealth, count, failed } = state;
    if (off) this.log.warn({ certificate, wealth, count, failed }, "a certificate is off: its answers lose too much");
  }
}
