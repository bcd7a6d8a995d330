import { checkAddress, isPostgres } from "../util/database/postgres.ts";
import type { Purpose } from "../util/database/sqlite.ts";
import { UserError } from "../util/errors.ts";
import type { Database, SqlRow } from "./database.ts";
import { openPostgres } from "./postgres.ts";
import { from, type LedgerFilter, type LedgerSum, SUMS, type SumFilter, summedFrom, sumOf } from "./query.ts";
import { type Receipt, receiptSchema } from "./receipt.ts";
import { openSqlite } from "./sqlite.ts";

/** The sum of one key's receipts; a null key stands for receipts without a key. */
export interface KeySum extends LedgerSum {
  key: string | null;
}

/** Stored receipts. Several processes may write to the same place; each call is one transaction. */
export class Ledger implements AsyncDisposable {
  constructor(private readonly db: Database) {}

  /** Writes receipts; when this resolves, they survive the death of the process. Existing receipts are left unchanged. */
  async add(...receipts: readonly Receipt[]): Promise<void> {
    await this.db.insert(receipts.map((receipt) => JSON.stringify(receipt)));
  }

  async get(id: string): Promise<Receipt | undefined> {
    const [row] = await this.db.rows("SELECT cast(receipt AS text) AS receipt FROM receipts WHERE id = :id", { id });
    return row && parsed(row);
  }

  /** The receipts that match `filter`, newest first, at most `limit`. */
  async list({ limit, ...filter }: LedgerFilter & { limit?: number | undefined } = {}): Promise<Receipt[]> {
    const { from: source, values } = from(filter);
    const order = `SELECT cast(receipt AS text) AS receipt ${source} ORDER BY created DESC, rowid DESC`;
    const rows =
      limit === undefined ? this.db.rows(order, values) : this.db.rows(`${order} LIMIT :limit`, { ...values, limit });
    return (await rows).map(parsed);
  }

  async sum(filter: SumFilter = {}): Promise<LedgerSum> {
    const { from: source, values } = summedFrom(filter);
    const [row] = await this.db.rows(`SELECT ${SUMS} ${source}`, values);
    return sumOf(row!);
  }

  /** A sum for each key among the receipts that match the filter, the most expensive first. */
  async sums(filter: SumFilter = {}): Promise<KeySum[]> {
    const { from: source, values } = summedFrom(filter);
    const rows = await this.db.rows(`SELECT key, ${SUMS} ${source} GROUP BY key ORDER BY flops_spent DESC`, values);
    return rows.map((row) => ({ key: row["key"] as string | null, ...sumOf(row) }));
  }

  close(): Promise<void> {
    return this.db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function parsed({ receipt }: SqlRow): Receipt {
  const { data, error } = receiptSchema.safeParse(JSON.parse(receipt as string));
  if (data !== undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new UserError(`the ledger holds a receipt that this program can't read: ${path.join(".")}: ${message}`);
}

/** @throws UserError if `place` is neither a file nor a Postgres address */
export const checkPlace = (place: string): void => checkAddress(place, "a ledger is a file");

/**
 * Opens the ledger in an SQLite file or a Postgres database (`postgres://…`). For writing, a missing ledger is created; for reading, it is an error.
 * @throws UserError for a damaged, foreign or unreachable ledger
 */
export async function openLedger(place: string, purpose: Purpose = "write"): Promise<Ledger> {
  checkPlace(place);
  return new Ledger(isPostgres(place) ? await openPostgres(place, purpose) : await openSqlite(place, purpose));
}

/** A ledger without receipts, in memory. */
export const emptyLedger = (): Promise<Ledger> => openLedger(":memory:");
