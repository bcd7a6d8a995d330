import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "libsql";
import { UserError } from "../../util/errors.ts";
import { codeOf, unopened } from "../../util/system-errors.ts";
import { makeFolder } from "./disk.ts";

export interface LockOptions {
  /** Called once, when another process is found to hold the lock. */
  onWait?: (() => void) | undefined;
  /** Gives up waiting. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process (and nothing else in this one) holds the lock on `path`.
 *
 * The lock is the operating system's own, taken through SQLite's portable file locking: it falls the moment its holder dies,
 * by `kill -9` too, so there is no stale lock to recognise, and no process id that could meanwhile belong to another.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const lock = await acquire(path, options);
  try {
    return await work();
  } finally {
    lock.close();
  }
}

async function acquire(path: string, { onWait, signal }: LockOptions): Promise<Database.Database> {
  makeFolder(dirname(path));
  const lock = open(path);
  try {
    for (let waited = false; !tryLock(lock, path); waited = true) {
      if (!waited) onWait?.();
      await sleep(100, undefined, { ...(signal && { signal }) });
    }
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
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
    lock.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (codeOf(error) === "SQLITE_BUSY") return false;
    if (codeOf(error) === "SQLITE_NOTADB") throw new UserError(`${path} is no lock but another file; delete it`);
    throw error;
  }
}
