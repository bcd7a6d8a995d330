import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import type Libsql from "libsql";
import { UserError } from "../util/errors.ts";
import { makeFolders } from "../util/make-folders.ts";
import { codeOf, DISK_FULL, reasonOf, unopened } from "../util/system-errors.ts";
import { type Database, LedgerFault, type Purpose, type Row, type Values } from "./database.ts";
import { APPLICATION_ID, sqliteSteps } from "./schema.ts";

const VERSION = sqliteSteps.length;

/** The limit for waiting on another process that writes, in milliseconds. */
const PATIENCE = 10_000;
/** Size in bytes beyond which the write-ahead log is moved into the database: a few hundred receipts. */
const LOG_LIMIT = 4 * 2 ** 20;

/** Messages for SQLite's error codes. */
const faults: readonly (readonly [RegExp, string])[] = [
  [/READONLY|readonly database/, "it is read-only"],
  [/FULL/, DISK_FULL],
  [/BUSY|LOCKED/, "another process has locked it"],
  [/IOERR/, "the disk cannot read or write it"],
];

/** The error as one sentence if the file or its place failed; any other error unchanged. */
function explained(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = codeOf(error) ?? "";
  if (/NOTADB|CORRUPT/.test(code))
    return new UserError(`${path} is damaged or is not a ledger; move it away to start a new one`);
  const reason =
    reasonOf(error) ??
    faults.find(([pattern]) => pattern.test(`${code} ${error.message}`))?.[1] ??
    whyClosed(error, path);
  return reason === undefined ? error : new LedgerFault(`the ledger ${path} can't be used: ${withRemedy(reason)}`);
}

/** A full disk needs space; any other fault needs a writable place. */
const withRemedy = (reason: string): string =>
  reason === DISK_FULL ? reason : `${reason}; make it writable, or set MODICUM_HOME to a folder that is`;

/** libsql gives neither a code nor a reason if it cannot open the file. */
const whyClosed = (error: Error, path: string): string | undefined =>
  /CANTOPEN/.test(codeOf(error) ?? "") || error.message.startsWith("ConnectionFailed")
    ? (unopened(path) ?? "it cannot be opened")
    : undefined;

/** Runs `action` on the ledger at `path`; a fault of that file becomes a UserError. */
export function guarded<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw explained(error, path);
  }
}

function pragma(db: Libsql.Database, name: string): unknown {
  return (db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[name];
}

/**
 * The version of the file's tables, 0 if there are none yet; refuses a file of another program or a newer version. Call
 * it within a transaction.
 */
function versionOf(db: Libsql.Database, path: string): number {
  const [owner, version] = [pragma(db, "application_id"), Number(pragma(db, "user_version"))];
  const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
  if (owner === 0 && tables === 0) return 0;
  if (owner !== APPLICATION_ID)
    throw new UserError(`${path} is another program's database, not a ledger; move it away to start a new one`);
  if (version <= VERSION) return version;
  throw new UserError(
    `the ledger ${path} has schema version ${version}, this program reads version ${VERSION}; update the program`,
  );
}

/** Brings the tables to this program's version, unless another process was faster. */
function update(db: Libsql.Database, path: string): void {
  db.exec("PRAGMA journal_mode = WAL");
  db.transaction(() => {
    const steps = sqliteSteps.slice(versionOf(db, path));
    if (steps.length > 0) db.exec(`${steps.join("\n")}\nPRAGMA user_version = ${VERSION};`);
  }).immediate();
}

/**
 * `update`, repeated if two processes do it at once: SQLite then refuses one of them immediately, whatever its timeout,
 * since waiting could deadlock.
 */
async function updatePatiently(db: Libsql.Database, path: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; ; await setTimeout(5)) {
    try {
      return update(db, path);
    } catch (error) {
      if (!codeOf(error)?.startsWith("SQLITE_BUSY") || Date.now() > deadline) throw error;
    }
  }
}

/**
 * Moves the write-ahead log into the database once it has grown. SQLite would do so by itself, but up to 3.51.2 (libsql
 * has 3.45.1) a checkpoint beside another connection's write can lose that write (sqlite.org/wal.html, "The WAL-Reset
 * Bug"); TRUNCATE holds the write lock meanwhile.
 */
function trimLog(db: Libsql.Database, path: string): void {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (log !== undefined && log.size > LOG_LIMIT) db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
}

/**
 * Like libsql's `transaction`, which hides why SQLite ended it (a full disk, for example) behind the error that it
 * cannot be ended.
 */
function together(db: Libsql.Database, write: () => void): void {
  db.exec("BEGIN");
  try {
    write();
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

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
    guarded(this.path, () => {
      together(this.db, () => {
        for (const receipt of receipts) this.#insert.run(receipt);
      });
      trimLog(this.db, this.path);
    });
  }

  async rows(sql: string, values: Values): Promise<Row[]> {
    return guarded(this.path, () => this.db.prepare(sql).all(values) as Row[]);
  }

  async close(): Promise<void> {
    this.db.close();
  }
}

/**
 * Opens the ledger's database at `path`; for writing, creates it with its folders if it is missing. Write-ahead log
 * with synchronous = NORMAL: written receipts survive a crash of the process at any moment; a power failure may lose
 * the last receipts, never the file.
 */
export async function openSqlite(path: string, purpose: Purpose): Promise<Database> {
  if (purpose === "read" && !existsSync(path)) throw new UserError(`there is no ledger at ${path}`);
  // Loaded when first needed: it costs 20 ms, which an answer must not wait for.
  const { default: Libsql } = await import("libsql");
  try {
    makeFolders(dirname(path));
    const db = new Libsql(path, { timeout: PATIENCE });
    db.exec("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
    const version = db.transaction(() => versionOf(db, path))();
    if (version === 0 && purpose === "read") throw new UserError(`there is no ledger at ${path}: the file is empty`);
    if (version < VERSION) await updatePatiently(db, path);
    return new Sqlite(path, db);
  } catch (error) {
    throw explained(error, path);
  }
}
