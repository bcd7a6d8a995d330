import type { Receipt } from "modicum";
import type { Database } from "./database.ts";

/** Tasks that have receipts. */
export type Task = "index" | "search" | "topics" | "summary" | "rerank" | "digest";

export interface KeptReceipt {
  readonly task: Task;
  readonly at: number;
  readonly receipt: Receipt;
}

/** Receipts of the application's work, for one paper or for many. */
export class ReceiptTable {
  constructor(private readonly db: Database) {}

  async add(task: Task, receipt: Receipt, paper: string | null = null, at = Date.now()): Promise<void> {
    const sql = "INSERT INTO receipts VALUES (:id, :paper, :task, :at, :receipt) ON CONFLICT DO NOTHING";
    await this.db.rows(sql, { id: receipt.id, paper, task, at, receipt: JSON.stringify(receipt) });
  }

  /** A paper's receipts, newest first. */
  async of(paper: string): Promise<KeptReceipt[]> {
    return this.#read("WHERE paper = :paper ORDER BY at DESC", { paper });
  }

  /** The newest receipts overall. */
  async latest(limit = 50): Promise<KeptReceipt[]> {
    return this.#read("ORDER BY at DESC LIMIT :limit", { limit });
  }

  /** All receipts since a time in milliseconds since 1970, oldest first. */
  async since(time: number): Promise<KeptReceipt[]> {
    return this.#read("WHERE at >= :time ORDER BY at", { time });
  }

  /** The number of a task's receipts since a time. */
  async count(task: Task, since: number): Promise<number> {
    const sql = "SELECT count(*) AS receipts FROM receipts WHERE task = :task AND at >= :since";
    const [row] = await this.db.rows<{ receipts: number }>(sql, { task, since });
    return Number(row!.receipts);
  }

  async #read(rest: string, values: Record<string, string | number>): Promise<KeptReceipt[]> {
    type Row = { task: Task; at: number; receipt: string };
    const rows = await this.db.rows<Row>(`SELECT task, at, receipt FROM receipts ${rest}`, values);
    return rows.map(({ task, at, receipt }) => ({ task, at: Number(at), receipt: JSON.parse(receipt) as Receipt }));
  }
}
