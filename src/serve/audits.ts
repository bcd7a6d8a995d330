import type { Logger } from "pino";
import { makeReceipt } from "../ledger/receipt.ts";
import { type AuditOutcome, Auditor } from "../library/auditor.ts";
import type { AuditState } from "../savings/auto/audit-state.ts";
import type { LedgerQueue } from "./ledger-queue.ts";

/** The audits of a server: their receipts, their log, and their state for the metrics. */
export class Audits {
  readonly auditor: Auditor | undefined;
  readonly #states = new Map<string, { readonly state: AuditState; readonly off: boolean }>();

  /** `share` 0: there are none. */
  constructor(
    share: number,
    private readonly ledger: Pick<LedgerQueue, "add">,
    private readonly log: Logger,
  ) {
    const onAudit = (outcome: AuditOutcome) => this.#audited(outcome);
    const onFault = (certificate: string, fault: string) => log.warn({ certificate, fault }, "not audited");
    this.auditor = share > 0 ? new Auditor({ share, onAudit, onFault }) : undefined;
  }

  /** By certificate: the wealth bet against it, and whether that has switched it off. */
  list(): readonly { readonly certificate: string; readonly wealth: number; readonly off: boolean }[] {
    return [...this.#states].map(([certificate, { state, off }]) => ({ certificate, wealth: state.wealth, off }));
  }

  #audited({ certificate, model, state, off, usage }: AuditOutcome): void {
    this.#states.set(certificate, { state, off });
    if (usage) {
      const { tokens, flops, bytes, work, ms } = usage;
      const parts = { tokens, flops, bytes, work, ms: { ...ms, load: 0 } };
      this.ledger.add(makeReceipt({ model, recipe: [], ...parts, estimated: false, purpose: "audit" }));
    }
    const { wealth, count, failed } = state;
    if (off) this.log.warn({ certificate, wealth, count, failed }, "a certificate is off: its answers lose too much");
  }
}
