import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import type Libsql from "libsql";
import { KeptFault, UserError } from "../errors.ts";
import { makeFolders } from "../make-folders.ts";
import { codeOf, DISK_FULL, reasonOf, unopened } from "../system-errors.ts";

/** A kind of SQLite file that this program keeps. */
export interface SqliteKind {
  /** The noun for error messages, such as `ledger`. */
  readonly noun: string;
  /** The noun with its article, such as `a ledger`. */
  readonly article: string;
  /** Marks a file as this kind. */
  readonly applicationId: number;
  /** Migrations, in order; the version is the number applied. The first sets `application_id`. */
  readonly steps: readonly string[];
  /** Makes the error for a failed disk or folder, after which a retry may work. */
  readonly fault: (sentence: string) => UserError;
}

/** The purpose of opening a file. Opening for reading never creates a file. */
export type Purpose = "read" | "write";

/** Milliseconds to wait for another process's write. */
const PATIENCE = 10_000;
/** Size in bytes beyond which the write-ahead log is moved into the database. */
const LOG_LIMIT = 4 * 2 ** 20;

/** Messages for SQLite's error codes. */
const faults: readonly (readonly [RegExp, string])[] = [
  [/READONLY|readonly database/, "it is read-only"],
  [/FULL/, DISK_FULL],
  [/BUSY|LOCKED/, "another process has locked it"],
  [/IOERR/, "the disk cannot read or write it"],
];

/** The error as one sentence if the file, its disk or its folder failed; any other error unchanged. */
function explained(error: unknown, path: string, { noun, article, fault }: SqliteKind): unknown {
  if (!(error instanceof Error)) return error;
  const code = codeOf(error) ?? "";
  // A truncated file ends in the middle of a page.
  if (/NOTADB|CORRUPT|SHORT_READ/.test(code))
    return new KeptFault(`${path} is damaged or is not ${article}; move it away to start a new one`);
  const reason =
    reasonOf(error) ??
    faults.find(([pattern]) => pattern.test(`${code} ${error.message}`))?.[1] ??
    whyClosed(error, path);
  return reason === undefined ? error : fault(`the ${noun} ${path} can't be used: ${withRemedy(reason)}`);
}

/** Adds a remedy to a reason; the reason for a full disk already contains one. */
const withRemedy = (reason: string): string =>
  reason === DISK_FULL ? reason : `${reason}; make it writable, or set MODICUM_HOME to a folder that is`;

/** libsql gives neither a code nor a reason if it cannot open the file. */
const whyClosed = (error: Error, path: string): string | undefined =>
  /CANTOPEN/.test(codeOf(error) ?? "") || error.message.startsWith("ConnectionFailed")
    ? (unopened(path) ?? "it cannot be opened")
    : undefined;

/** Runs `action` on the file at `path`; a fault of that file becomes a UserError. */
export function guarded<T>(path: string, kind: SqliteKind, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw explained(error, path, kind);
  }
}

function pragma(db: Libsql.Database, name: string): unknown {
  return (db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[name];
}

/**
 * The version of the file's tables, 0 if there are none yet; refuses a file of a different program or a newer version.
 * Call it within a transaction.
 */
function versionOf(db: Libsql.Database, path: string, { noun, article, applicationId, steps }: SqliteKind): number {
  const [owner, version] = [pragma(db, "application_id"), Number(pragma(db, "user_version"))];
  const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
  if (owner === 0 && tables === 0) return 0;
  if (owner !== applicationId)
    throw new UserError(`${path} is another program's database, not ${article}; move it away to start a new one`);
  if (version <= steps.length) return version;
  throw new UserError(
    `the ${noun} ${path} has schema version ${version}, this program reads version ${steps.length}; update the program`,
  );
}

/** Migrates the tables to this program's version, unless another process has done so already. */
function update(db: Libsql.Database, path: string, kind: SqliteKind): void {
  db.exec("PRAGMA journal_mode = WAL");
  db.transaction(() => {
    const steps = kind.steps.slice(versionOf(db, path, kind));
    if (steps.length > 0) db.exec(`${steps.join("\n")}\nPRAGMA user_version = ${kind.steps.length};`);
  }).immediate();
}

/**
 * Repeats `update` if two processes run it at once: SQLite then refuses one immediately, whatever its timeout, to avoid
 * a deadlock.
 */
async function updatePatiently(db: Libsql.Database, path: string, kind: SqliteKind): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; ; await setTimeout(5)) {
    try {
      return update(db, path, kind);
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
 * Runs `write` as one transaction that holds the write lock from its start. If SQLite ends a transaction (a full disk,
 * for example), libsql's own `transaction` reports only that it cannot be ended.
 */
export function together<T>(db: Libsql.Database, path: string, write: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = write();
    db.exec("COMMIT");
    trimLog(db, path);
    return result;
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/**
 * Opens the SQLite file at `path`; for writing, creates it with its folders if it is missing. Write-ahead log with
 * synchronous = NORMAL: writes survive a process crash at any moment; a power failure may lose the last transactions,
 * never the file.
 * @throws UserError
 */
export async function openSqliteFile(path: string, kind: SqliteKind, purpose: Purpose): Promise<Libsql.Database> {
  const { noun, steps } = kind;
  if (purpose === "read" && !existsSync(path)) throw new UserError(`there is no ${noun} at ${path}`);
  // Loaded on first use, because loading libsql takes 20 ms, and answers must not wait for it.
  const { default: Libsql } = await import("libsql");
  try {
    makeFolders(dirname(path));
    const db = new Libsql(path, { timeout: PATIENCE });
    db.exec("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
    const version = db.transaction(() => versionOf(db, path, kind))();
    if (version === 0 && purpose === "read") throw new UserError(`there is no ${noun} at ${path}: the file is empty`);
    if (version < steps.length) await updatePatiently(db, path, kind);
    return db;
  } catch (error) {
    throw explained(error, path, kind);
  }
}
