import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type Libsql from "libsql";
import { UserError } from "../util/errors.ts";
import { APPLICATION_ID, CREATE, SCHEMA_VERSION } from "./schema.ts";

export type Database = Libsql.Database;

/** How long one process waits for another that is writing, in milliseconds. */
const PATIENCE = 10_000;

/** The error as one sentence where the file or its place is at fault; any other error as it is. */
function explained(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : "";
  if (/NOTADB|CORRUPT/.test(code)) {
    return new UserError(`${path} is damaged or no ledger (${error.message}); move it away to start a new one`);
  }
  // libsql gives no code when it can't open the file; Node's own codes come from making the folder.
  if (/FULL|READONLY|CANTOPEN|IOERR|BUSY|^E[A-Z]+$/.test(code) || error.message.startsWith("ConnectionFailed")) {
    return new UserError(`the ledger ${path} can't be used: ${error.message}`);
  }
  return error;
}

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

/**
 * Opens the ledger's database at `path`, made with its folders when it is not there. Write-ahead log with synchronous = NORMAL: what was written survives the
 * death of the process at any moment; the power failing may cost the last receipts, never the file.
 */
export async function openDatabase(path: string): Promise<Database> {
  // Loaded when first needed: it costs 20 ms, which an answer must not wait for.
  const { default: Libsql } = await import("libsql");
  return guarded(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    const db = new Libsql(path, { timeout: PATIENCE });
    db.exec("PRAGMA synchronous = NORMAL");
    if (db.transaction(() => isEmpty(db, path))()) create(db, path);
    return db;
  });
}
