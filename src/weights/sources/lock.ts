import { existsSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "libsql";
import { UserError } from "../../util/errors.ts";
import { codeOf, unopened } from "../../util/system-errors.ts";
import { makeFolder } from "./disk.ts";

export interface LockOptions {
  /** Called once if another process holds the lock. */
  onWait?: (() => void) | undefined;
  /** Stops waiting. */
  signal?: AbortSignal | undefined;
  /** The lock's purpose, for the error if it is not available. */
  purpose?: string | undefined;
}

/**
 * Runs `work` while no other process (and no other task in this one) holds the lock on `path`, a file that exists while
 * the lock is held.
 *
 * The lock is the operating system's, through SQLite's portable file locking. It ends when its holder dies, even by
 * `kill -9`, so there are no stale locks, and no process ids that could be reused.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const lock = await acquire(path, options);
  try {
    return await work();
  } finally {
    remove(path);
    lock.close();
  }
}

async function acquire(path: string, { purpose, ...options }: LockOptions): Promise<Database.Database> {
  try {
    makeFolder(dirname(path));
    return await patiently(path, options);
  } catch (error) {
    if (!(error instanceof UserError) || purpose === undefined) throw error;
    throw new UserError(`cannot ${purpose}: ${error.message}; set MODICUM_HOME to use a different folder`);
  }
}

async function patiently(path: string, { onWait, signal }: LockOptions): Promise<Database.Database> {
  for (let waited = false; ; waited = true) {
    const lock = attempt(path);
    if (lock) return lock;
    if (!waited) onWait?.();
    await sleep(100, undefined, { ...(signal && { signal }) });
  }
}

/** Tries to take the lock; undefined if another process holds it or has removed the file. */
function attempt(path: string): Database.Database | undefined {
  if (!existsSync(path)) open(path).close();
  const before = fileAt(path);
  const lock = open(path);
  try {
    if (tryLock(lock, path) && before !== undefined && fileAt(path) === before) return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
  lock.close();
  return undefined;
}

/**
 * Identifies the file at a path; a later file may reuse an inode number. Opens nothing, because closing would release
 * the lock.
 */
function fileAt(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev} ${stats.ino} ${stats.birthtimeNs}`;
}

/** Called while locked. On Windows, an open file cannot be removed, so it stays, empty. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

/** libsql does not say why it cannot open a file. */
function open(path: string): Database.Database {
  try {
    return new Database(path, { timeout: 0 });
  } catch (error) {
    const reason = unopened(path);
    throw reason === undefined ? error : new UserError(`cannot write ${path}: ${reason}`);
  }
}

function tryLock(lock: Database.Database, path: string): boolean {
  try {
    // Nothing is ever written, so a journal on disk would only be one more file to clean up.
    lock.exec("PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (codeOf(error) === "SQLITE_BUSY") return false;
    if (codeOf(error) === "SQLITE_NOTADB") throw new UserError(`${path} is not a lock file; delete it`);
    throw error;
  }
}
