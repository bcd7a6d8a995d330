import type Libsql from "libsql";
import { UserError } from "../util/errors.ts";
import { type Database, guarded, openDatabase, trimLog } from "./database.ts";
import { type Receipt, receiptSchema, savedShare } from "./receipt.ts";

/** Which receipts: made at `since` or later, before `until`, for `model`; each may be left out. */
export interface LedgerFilter {
  since?: Date | undefined;
  until?: Date | undefined;
  model?: string | undefined;
}

/** What the receipts of a filter come to; `estimated` counts those that are. */
export interface LedgerSum extends Pick<Receipt, "tokens" | "flops" | "bytes" | "ms"> {
  receipts: number;
  estimated: number;
}

const FILTER = "FROM receipts WHERE created >= :since AND created < :until AND (:model IS NULL OR model = :model)";

const SUM = `SELECT count(*) AS receipts, total(estimated) AS estimated,
  total(prompt) AS prompt, total(cached) AS cached, total(completion) AS completion,
  total(flops_dense) AS flops_dense, total(flops_spent) AS flops_spent, total(flops_overhead) AS flops_overhead,
  total(bytes_dense) AS bytes_dense, total(bytes_spent) AS bytes_spent,
  total(ms_load) AS ms_load, total(ms_prefill) AS ms_prefill, total(ms_decode) AS ms_decode, total(ms_total) AS ms_total
  ${FILTER}`;

function parameters({ since, until, model }: LedgerFilter) {
  // ISO times of one precision sort as text; "~" comes after all of them.
  return { since: since?.toISOString() ?? "", until: until?.toISOString() ?? "~", model: model ?? null };
}

function parsed(row: unknown): Receipt {
  const { data, error } = receiptSchema.safeParse(JSON.parse((row as { receipt: string }).receipt));
  if (data !== undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new UserError(`the ledger holds a receipt that this program can't read: ${path.join(".")}: ${message}`);
}

/** Receipts on disk. Several processes may hold the same file open; each call is one transaction. */
export class Ledger {
  readonly #insert: Libsql.Statement<unknown[]>;

  constructor(
    readonly path: string,
    private readonly db: Database,
  ) {
    this.#insert = guarded(path, () => db.prepare("INSERT INTO receipts (receipt) VALUES (?)"));
  }

  /** Writes `receipt`; when this returns, the process may die and it is kept. Throws when its id is there already. */
  add(receipt: Receipt): void {
    guarded(this.path, () => {
      this.#insert.run(JSON.stringify(receipt));
      trimLog(this.db, this.path);
    });
  }

  get(id: string): Receipt | undefined {
    return guarded(this.path, () => {
      const row = this.db.prepare("SELECT receipt FROM receipts WHERE id = ?").get(id);
      return row === undefined ? undefined : parsed(row);
    });
  }

  /** The receipts of `filter`, newest first, at most `limit`. */
  list({ limit, ...filter }: LedgerFilter & { limit?: number | undefined } = {}): Receipt[] {
    const sql = `SELECT receipt ${FILTER} ORDER BY created DESC, rowid DESC LIMIT :limit`;
    const bound = { ...parameters(filter), limit: limit ?? -1 };
    return guarded(this.path, () => this.db.prepare(sql).all(bound).map(parsed));
  }

  sum(filter: LedgerFilter = {}): LedgerSum {
    const row = guarded(this.path, () => this.db.prepare(SUM).get(parameters(filter))) as Record<string, number>;
    const flops = { dense: row["flops_dense"]!, spent: row["flops_spent"]!, overhead: row["flops_overhead"]! };
    return {
      receipts: row["receipts"]!,
      estimated: row["estimated"]!,
      tokens: { prompt: row["prompt"]!, cached: row["cached"]!, completion: row["completion"]! },
      flops: { ...flops, saved: savedShare(flops) },
      bytes: { dense: row["bytes_dense"]!, spent: row["bytes_spent"]! },
      ms: { load: row["ms_load"]!, prefill: row["ms_prefill"]!, decode: row["ms_decode"]!, total: row["ms_total"]! },
    };
  }

  close(): void {
    this.db.close();
  }
}

/** Opens the ledger in the SQLite file at `path`, made when it is not there. A file that is damaged, foreign or out of reach is a UserError. */
export async function openLedger(path: string): Promise<Ledger> {
  return new Ledger(path, await openDatabase(path));
}
