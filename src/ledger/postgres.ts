import type { PoolClient } from "pg";
import { Postgres, type PostgresKind } from "../util/database/postgres.ts";
import type { Purpose } from "../util/database/sqlite.ts";
import { UserError } from "../util/errors.ts";
import { type Database, LedgerFault, type SqlRow, type Values } from "./database.ts";
import { postgresSteps } from "./schema.ts";

const ledgerTables: PostgresKind = { noun: "ledger", fault: (sentence) => new LedgerFault(sentence) };

/**
 * Servers that start at the same time create the tables one after another, under this lock. Other programs are unlikely
 * to use its number.
 */
const LOCK = 0x4d4f4449;

const VERSION = postgresSteps.length;
/** The table's comment marks it as ours and holds its version. */
const MARK = "ledger of Modicum, version ";

/** Replaces each `:name` with `$1`, `$2` and so on; returns the values in that order. */
function bound(sql: string, values: Values): [text: string, values: (string | number)[]] {
  const names = Object.keys(values);
  return [sql.replace(/:(\w+)/g, (_, name) => `$${names.indexOf(name) + 1}`), Object.values(values)];
}

/** Receipts in a Postgres database, which several servers may share. */
class PostgresDatabase implements Database {
  constructor(private readonly postgres: Postgres) {}

  async insert(receipts: readonly string[]): Promise<void> {
    const sql = "INSERT INTO receipts (receipt) SELECT unnest($1::jsonb[]) ON CONFLICT (id) DO NOTHING";
    await this.postgres.rows(sql, [receipts]);
  }

  async rows(sql: string, values: Values): Promise<SqlRow[]> {
    return this.postgres.rows<SqlRow>(...bound(sql, values));
  }

  /** Migrates the tables to this program's version. @throws UserError if a ledger opened for reading has no tables */
  async update(purpose: Purpose): Promise<void> {
    const { place } = this.postgres;
    await this.postgres.transaction(async (client) => {
      await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`);
      const version = await versionOf(client, place);
      if (version === 0 && purpose === "read") throw new UserError(`the database ${place} has no ledger`);
      for (const step of postgresSteps.slice(version)) await client.query(step);
      if (version < VERSION) await client.query(`COMMENT ON TABLE receipts IS '${MARK}${VERSION}'`);
    });
  }

  async close(): Promise<void> {
    await this.postgres.close();
  }
}

/** The version of the tables, 0 if none. @throws UserError if another program or a newer version created them */
async function versionOf(client: PoolClient, place: string): Promise<number> {
  const sql = "SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class WHERE oid = to_regclass('receipts')";
  const [row] = (await client.query<{ comment: string | null }>(sql)).rows;
  if (!row) return 0;
  const version = row.comment?.startsWith(MARK) ? Number(row.comment.slice(MARK.length)) : Number.NaN;
  if (Number.isNaN(version))
    throw new UserError(`the database ${place} has another program's table "receipts"; use another database`);
  if (version <= VERSION) return version;
  throw new UserError(
    `the ledger ${place} has schema version ${version}, this program reads version ${VERSION}; update the program`,
  );
}

/** Opens the ledger in the database at `address`; for writing, its tables are created if they are missing. @throws UserError */
export async function openPostgres(address: string, purpose: Purpose): Promise<Database> {
  const database = new PostgresDatabase(await Postgres.at(address, ledgerTables));
  try {
    await database.update(purpose);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
