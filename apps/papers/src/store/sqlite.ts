import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import Libsql from "libsql";
import { UserError } from "modicum";
import type { Database, Queries, Values } from "./database.ts";
import { APPLICATION_ID, steps } from "./schema.ts";

/** Milliseconds to wait for another process that writes. */
const PATIENCE = 10_000;
/** Size in bytes beyond which the write-ahead log is moved into the database. */
const LOG_LIMIT = 4 * 2 ** 20;

/** The maximum length of a statement to keep prepared, since lists of ids make countless different long statements. */
const KEPT = 1500;

/** A database in one SQLite file. Calls run in turn, so that none comes between the statements of a transaction. */
class Sqlite implements Database {
  readonly #statements = new Map<string, Libsql.Statement<unknown[]>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly db: Libsql.Database,
  ) {}

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  #rows<T>(sql: string, values: Values): T[] {
    const statement = this.#statements.get(sql) ?? this.db.prepare(sql);
    if (sql.length < KEPT) this.#statements.set(sql, statement);
    return statement.all(values) as T[];
  }

  rows<T>(sql: string, values: Values = {}): Promise<T[]> {
    return this.#inTurn(async () => this.#rows<T>(sql, values));
  }

  together<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      this.db.exec("BEGIN IMMEDIATE");
      try {
        const result = await work({ rows: async (sql, values = {}) => this.#rows(sql, values) });
        this.db.exec("COMMIT");
        if (this.#logBytes() > LOG_LIMIT) this.#truncateLog();
        return result;
      } catch (error) {
        if (this.db.inTransaction) this.db.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #logBytes(): number {
    return statSync(`${this.path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Checkpoints under a lock: SQLite's automatic ones can lose others' writes before 3.51.3 (sqlite.org/wal.html). */
  #truncateLog(): void {
    this.db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  }

  clearLog(): Promise<void> {
    return this.#inTurn(async () => this.#truncateLog());
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#statements.clear();
    this.db.close();
  }
}

/** Opens the database in the file at `path`; creates a missing file. @throws UserError */
export function openSqlite(path: string): Database {
  try {
    // Only the owner may read the file, since it holds subscribers' addresses.
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const db = new Libsql(path, { timeout: PATIENCE });
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
    // Zeros overwrite deleted data.
    db.exec("PRAGMA secure_delete = ON");
    db.transaction(() => migrate(db, path)).immediate();
    return new Sqlite(path, db);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`the papers in ${path} can't be opened: ${(error as Error).message}`);
  }
}

const pragma = (db: Libsql.Database, name: string): number =>
  Number(Object.values(db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[0]);

function migrate(db: Libsql.Database, path: string): void {
  const [owner, version] = [pragma(db, "application_id"), pragma(db, "user_version")];
  if (owner !== APPLICATION_ID && (owner !== 0 || version !== 0))
    throw new UserError(`${path} is another program's database; move it away to start a new one`);
  if (version > steps.length)
    throw new UserError(`${path} has schema version ${version}, this program reads ${steps.length}; update it`);
  for (const step of steps.slice(version)) db.exec(step);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${steps.length}`);
}
