import type Libsql from "libsql";
import { guarded, openSqliteFile, type Purpose, type SqliteKind, together } from "../util/database/sqlite.ts";
import { type Database, LedgerFault, type SqlRow, type Values } from "./database.ts";
import { APPLICATION_ID, sqliteSteps } from "./schema.ts";

export const ledgerFile: SqliteKind = {
  ...{ noun: "ledger", article: "a ledger", applicationId: APPLICATION_ID, steps: sqliteSteps },
  fault: (sentence) => new LedgerFault(sentence),
};

/** Receipts in an SQLite file. Several processes may hold the same file open. */
class Sqlite implements Database {
  readonly #insert: Libsql.Statement<unknown[]>;

  constructor(
    private readonly path: string,
    private readonly db: Libsql.Database,
  ) {
    this.#insert = db.prepare("INSERT INTO receipts (receipt) VALUES (?) ON CONFLICT (id) DO NOTHING");
  }

  async insert(receipts: readonly string[]): Promise<void> {
    guarded(this.path, ledgerFile, () =>
      together(this.db, this.path, () => {
        for (const receipt of receipts) this.#insert.run(receipt);
      }),
    );
  }

  async rows(sql: string, values: Values): Promise<SqlRow[]> {
    return guarded(this.path, ledgerFile, () => this.db.prepare(sql).all(values) as SqlRow[]);
  }

  async close(): Promise<void> {
    this.db.close();
  }
}

/** Opens the ledger's database at `path`; for writing, creates it with its folders if it is missing. @throws UserError */
export const openSqlite = async (path: string, purpose: Purpose): Promise<Database> =>
  new Sqlite(path, await openSqliteFile(path, ledgerFile, purpose));
