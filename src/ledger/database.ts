import { UserError } from "../util/errors.ts";

export type SqlRow = Readonly<Record<string, unknown>>;
export type Values = Readonly<Record<string, string | number>>;

/** The store of receipts. Its SQL must suit both SQLite and Postgres; `:name` stands for a value. */
export interface Database {
  /**
   * Writes receipts, as JSON, in one transaction; resolves once they are stored. Receipts with existing ids are left
   * unchanged.
   * @throws LedgerFault
   */
  insert(receipts: readonly string[]): Promise<void>;
  /** @throws LedgerFault */
  rows(sql: string, values: Values): Promise<SqlRow[]>;
  close(): Promise<void>;
}

/** The ledger's storage failed, not the data: a retry may succeed. */
export class LedgerFault extends UserError {}
