import { statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import type Libsql from "libsql";
import { UserError } from "../util/errors.ts";
import { makeFolders } from "../util/make-folders.ts";
import { codeOf, reasonOf, unopened } from "../util/system-errors.ts";
import { APPLICATION_ID, CREATE, SCHEMA_VERSION } from "./schema.ts";

export type Database = Libsql.Database;

/** How long one process waits for another that is writing, in milliseconds. */
const PATIENCE = 10_000;
/** Size in bytes beyond which the write-ahead log is moved into the database: a few hundred receipts. */
const LOG_LIMIT = 4 * 2 ** 20;

/** What SQLite's codes say of the file. */
const faults: readonly (readonly [RegExp, string])[] = [
  [/READONLY/, "it is read-only"],
  [/FULL/, "the disk is full"],
  [/BUSY|LOCKED/, "another process does not let go of it"],
  [/IOERR/, "the disk fails to read or write it"],
];

/** The error as one sentence where the file or its place is at fault; any other error as it is. */
function explained(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = codeOf(error) ?? "";
  if (/NOTADB|CORRUPT/.test(code))
    return new UserError(`${path} is damaged or no ledger; move it away to start a new one`);
  const reason = reasonOf(error) ?? faults.find(([pattern]) => pattern.test(code))?.[1] ?? whyClosed(error, path);
  return reason === undefined ? error : new UserError(`the ledger ${path} can't be used: ${reason}; ${REMEDY}`);
}

const REMEDY = "make it writable, or set MODICUM_HOME to a folder that is";

/** libsql gives neither a code nor a reason when it can't open the file. */
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

function pragma(db: Database, name: string): unknown {
  return (db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[name];
}

/** Whether the file has no tables yet; refuses one that another program or a newer version made. Call it within a transaction. */
function isEmpty(db: Database, path: string): boolean {
  const [owner, version] = [pragma(db, "application_id"), Number(pragma(db, "user_version"))];
  const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
  if (owner === 0 && tables === 0) return true;
  if (owner !== APPLICATION_ID)
    throw new UserError(`${path} is another program's database, expected a ledger; move it away to start a new one`);
  if (version === SCHEMA_VERSION) return false;
  throw new UserError(
    `the ledger ${path} has schema version ${version}, this program reads version ${SCHEMA_VERSION}; update the program`,
  );
}

/** Makes the tables, unless another process was faster. */
function create(db: Database, path: string): void {
  db.exec("PRAGMA journal_mode = WAL");
  db.transaction(() => {
    if (isEmpty(db, path)) db.exec(CREATE);
  }).immediate();
}

/** `create`, again when two processes do it at once: SQLite then refuses one of them at once, whatever its timeout, as waiting could be a deadlock. */
async function createPatiently(db: Database, path: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; ; await setTimeout(5)) {
    try {
      return create(db, path);
    } catch (error) {
      if (!codeOf(error)?.startsWith("SQLITE_BUSY") || Date.now() > deadline) throw error;
    }
  }
}

/**
 * Moves the write-ahead log into the database when it has grown. SQLite would do so by itself, but up to 3.51.2 (libsql has 3.45.1) a checkpoint that another
 * connection writes beside can lose what it writes (sqlite.org/wal.html, "The WAL-Reset Bug"); TRUNCATE holds the write lock meanwhile.
 */
export function trimLog(db: Database, path: string): void {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (log !== undefined && log.size > LOG_LIMIT) db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
}

/**
 * Opens the ledger's database at `path`, made with its folders when it is not there. Write-ahead log with synchronous = NORMAL: what was written survives the
 * death of the process at any moment; the power failing may cost the last receipts, never the file.
 */
export async function openDatabase(path: string): Promise<Database> {
  // Loaded when first needed: it costs 20 ms, which an answer must not wait for.
  const { default: Libsql } = await import("libsql");
  try {
    makeFolders(dirname(path));
    const db = new Libsql(path, { timeout: PATIENCE });
    db.exec("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
    if (db.transaction(() => isEmpty(db, path))()) await createPatiently(db, path);
    return db;
  } catch (error) {
    throw explained(error, path);
  }
}
