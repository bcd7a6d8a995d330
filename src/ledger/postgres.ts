import type { Pool, PoolClient } from "pg";
import type { Purpose } from "../util/database/sqlite.ts";
import { UserError } from "../util/errors.ts";
import { codeOf } from "../util/system-errors.ts";
import { type Database, LedgerFault, type Row, type Values } from "./database.ts";
import { postgresSteps } from "./schema.ts";

export const isPostgres = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);

/** Milliseconds to connect in, and to answer in. */
const [CONNECT_WITHIN, ANSWER_WITHIN] = [10_000, 30_000];
/** Servers that start at the same moment take turns to make the tables: any number that others are unlikely to lock. */
const LOCK = 0x4d4f4449;

const VERSION = postgresSteps.length;
/** The table's comment says that it is ours, and its version. */
const MARK = "ledger of Modicum, version ";

/** `:name` as `$1`, with the values in order. */
function bound(sql: string, values: Values): { text: string; values: (string | number)[] } {
  const names = Object.keys(values);
  return { text: sql.replace(/:(\w+)/g, (_, name) => `$${names.indexOf(name) + 1}`), values: Object.values(values) };
}

/**
 * The error as one sentence if the server or the connection failed; any other error unchanged. `place` has no password.
 */
function explained(error: unknown, place: string): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const code = codeOf(error) ?? "";
  // SQLSTATE's classes of data, constraints and syntax: the query itself is wrong.
  if (/^(22|23|42(?!501))\w{3}$/.test(code)) return error;
  return new LedgerFault(`the ledger ${place} can't be used: ${error.message || code}`);
}

/** Receipts in a Postgres database, which several servers may share. Broken connections are replaced. */
class PostgresDatabase implements Database {
  constructor(
    private readonly place: string,
    private readonly pool: Pool,
  ) {
    // A connection that breaks while idle; the next query reports it.
    pool.on("error", () => {});
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw explained(error, this.place);
    }
  }

  async insert(receipts: readonly string[]): Promise<void> {
    const sql = "INSERT INTO receipts (receipt) SELECT unnest($1::jsonb[]) ON CONFLICT (id) DO NOTHING";
    await this.#guarded(() => this.pool.query(sql, [receipts]));
  }

  async rows(sql: string, values: Values): Promise<Row[]> {
    const { rows } = await this.#guarded(() => this.pool.query<Row>(bound(sql, values)));
    return rows;
  }

  /** Migrates the tables to this program's version. @throws UserError if there are none, and the ledger is only read */
  async update(purpose: Purpose): Promise<void> {
    await this.#guarded(async () => {
      const client = await this.pool.connect();
      try {
        await client.query("BEGIN");
        await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`);
        const version = await versionOf(client, this.place);
        if (version === 0 && purpose === "read") throw new UserError(`the database ${this.place} has no ledger`);
        for (const step of postgresSteps.slice(version)) await client.query(step);
        if (version < VERSION) await client.query(`COMMENT ON TABLE receipts IS '${MARK}${VERSION}'`);
        await client.query("COMMIT");
      } finally {
        // Uncommitted changes are lost with it.
        client.release(true);
      }
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/**
 * The version of the tables, 0 if there are none.
 * @throws UserError if they are another program's, or a newer version's
 */
async function versionOf(client: PoolClient, place: string): Promise<number> {
  const sql = "SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class WHERE oid = to_regclass('receipts')";
  const [found] = (await client.query<{ comment: string | null }>(sql)).rows;
  if (!found) return 0;
  const version = found.comment?.startsWith(MARK) ? Number(found.comment.slice(MARK.length)) : Number.NaN;
  if (Number.isNaN(version))
    throw new UserError(`the database ${place} has another program's table "receipts"; use another database`);
  if (version <= VERSION) return version;
  throw new UserError(
    `the ledger ${place} has schema version ${version}, this program reads version ${VERSION}; update the program`,
  );
}

/** Opens the ledger in the database at `address`; for writing, its tables are created if they are missing. @throws UserError */
export async function openPostgres(address: string, purpose: Purpose): Promise<Database> {
  const { default: pg } = await import("pg");
  const place = withoutPassword(address);
  const timeouts = { connectionTimeoutMillis: CONNECT_WITHIN, query_timeout: ANSWER_WITHIN, keepAlive: true };
  const pool = new pg.Pool({ connectionString: address, application_name: "modicum", max: 4, ...timeouts });
  const database = new PostgresDatabase(place, pool);
  try {
    await database.update(purpose);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** @throws UserError if the address is invalid */
function withoutPassword(address: string): string {
  if (!URL.canParse(address))
    throw new UserError("the ledger's address is invalid; expected postgres://user@host/database", 2);
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname}`;
}
