import { UserError } from "modicum";
import pg from "pg";
import type { Database, Queries, Values } from "./database.ts";
import { steps } from "./schema.ts";

export const isPostgres = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);

/** The maximum time to connect, and to wait for an answer, in milliseconds. */
const [CONNECT_WITHIN, ANSWER_WITHIN] = [10_000, 30_000];
/** All processes' transactions take turns with this lock. Other programs are unlikely to use its number. */
const LOCK = 0x4d506170;
/** Postgres's type of `count(*)` and of times, which fit in a number here. */
const INT8 = 20;

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format),
};

/** Replaces each `:name` with `$1`, `$2` and so on; returns the values in that order. */
function bound(sql: string, values: Values): { text: string; values: Values[string][] } {
  const names = Object.keys(values);
  return { text: sql.replace(/:(\w+)/g, (_, name) => `$${names.indexOf(name) + 1}`), values: Object.values(values) };
}

const queriesOf = (client: pg.Pool | pg.PoolClient): Queries => ({
  rows: async (sql, values = {}) => (await client.query(bound(sql, values))).rows,
});

/** A Postgres database, which several servers may share. */
class PostgresDatabase implements Database {
  constructor(
    private readonly pool: pg.Pool,
    /** The address without its password. */
    private readonly place: string,
  ) {}

  rows<T>(sql: string, values: Values = {}): Promise<T[]> {
    return this.#guarded(() => queriesOf(this.pool).rows<T>(sql, values));
  }

  together<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#guarded(async () => {
      const client = await this.pool.connect();
      let done = false;
      try {
        await client.query("BEGIN");
        await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`);
        const result = await work(queriesOf(client));
        await client.query("COMMIT");
        done = true;
        return result;
      } finally {
        // Uncommitted changes are lost with the connection.
        client.release(!done);
      }
    });
  }

  /** Reports a failing server or connection in one sentence. Errors in SQLSTATE's data and syntax classes are bugs. */
  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const { code = "", message } = error as { code?: string; message: string };
      if (error instanceof UserError || /^(22|23|42(?!501))\w{3}$/.test(code)) throw error;
      throw new UserError(`the papers in ${this.place} can't be used: ${message || code}`);
    }
  }

  /** Does nothing: Postgres keeps deleted rows until a vacuum, and the server's settings govern its log. */
  async clearLog(): Promise<void> {}

  close(): Promise<void> {
    return this.pool.end();
  }
}

/** Opens the papers in the database at `address`; creates missing tables. @throws UserError */
export async function openPostgres(address: string): Promise<Database> {
  if (!URL.canParse(address))
    throw new UserError("the store's address is invalid; expected postgres://user@host/database", 2);
  const { protocol, host, pathname } = new URL(address);
  const timeouts = { connectionTimeoutMillis: CONNECT_WITHIN, query_timeout: ANSWER_WITHIN, keepAlive: true };
  const pool = new pg.Pool({ connectionString: address, application_name: "modicum", max: 4, types, ...timeouts });
  // Ignores connections that break while idle, since the next query reports the failure.
  pool.on("error", () => {});
  const database = new PostgresDatabase(pool, `${protocol}//${host}${pathname}`);
  try {
    await database.together(migrate);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function migrate(db: Queries): Promise<void> {
  await db.rows("CREATE TABLE IF NOT EXISTS papers_schema (version INTEGER NOT NULL)");
  const [row] = await db.rows<{ version: number }>("SELECT version FROM papers_schema");
  const version = row?.version ?? 0;
  if (version > steps.length)
    throw new UserError(`the papers have schema version ${version}, this program reads ${steps.length}; update it`);
  for (const step of steps.slice(version)) await db.rows(step);
  await db.rows("DELETE FROM papers_schema");
  await db.rows("INSERT INTO papers_schema VALUES (:version)", { version: steps.length });
}
