import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "libsql";
import { expect, test, vi } from "vitest";
import { tempFolder, writeAt } from "./helpers.testing.ts";
import { withLock } from "./lock.ts";

test("one at a time, the others wait and are told once", async () => {
  const path = join(tempFolder(), "deep", "a.lock");
  let inside = 0;
  let most = 0;
  let waits = 0;
  const visit = () =>
    withLock(path, { onWait: () => waits++ }, async () => {
      most = Math.max(most, ++inside);
      await expect.poll(() => waits).toBe(2);
      return inside--;
    });
  expect(await Promise.all([visit(), visit(), visit()])).toEqual([1, 1, 1]);
  expect(most).toBe(1);
  expect(waits).toBe(2);
});

test("locks of different files do not meet", async () => {
  const folder = tempFolder();
  const inner = () => withLock(join(folder, "b"), { onWait: () => expect.unreachable() }, async () => "both");
  expect(await withLock(join(folder, "a"), {}, inner)).toBe("both");
});

test("falls when the work fails", async () => {
  const path = join(tempFolder(), "a.lock");
  await expect(withLock(path, {}, () => Promise.reject(new Error("work failed")))).rejects.toThrow("work failed");
  expect(await withLock(path, { onWait: () => expect.unreachable() }, async () => "free")).toBe("free");
});

test("its file is gone with it, and those who waited meanwhile have a lock that others see", async () => {
  const folder = tempFolder();
  const path = join(folder, "a.lock");
  let inside = 0;
  const visit = async () => {
    for (let i = 0; i < 4; i++)
      await withLock(path, {}, async () => {
        expect([++inside, readdirSync(folder)]).toEqual([1, ["a.lock"]]);
        await sleep(1);
        inside--;
      });
  };
  await Promise.all([visit(), visit(), visit()]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a file that is removed between opening and locking is not taken for the lock", async () => {
  const path = join(tempFolder(), "a.lock");
  let waits = 0;
  const lock = Database.prototype.exec;
  vi.spyOn(Database.prototype, "exec").mockImplementationOnce(function (this: Database.Database, sql: string) {
    rmSync(path);
    return lock.call(this, sql);
  });
  expect(await withLock(path, { onWait: () => waits++ }, async () => "in")).toBe("in");
  expect(waits).toBe(1);
});

test("waiting can be given up, and does not break the lock of who holds it", async () => {
  const path = join(tempFolder(), "a.lock");
  const stop = new AbortController();
  await withLock(path, {}, async () => {
    const waiting = withLock(path, { signal: stop.signal, onWait: () => stop.abort() }, async () => "in");
    await expect(waiting).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    const later = new AbortController();
    const onWait = () => void setTimeout(() => later.abort(), 20);
    const patient = withLock(path, { onWait, signal: later.signal }, async () => "in");
    await expect(patient).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
  });
});

test("a folder that cannot be made is one sentence", async () => {
  const folder = tempFolder();
  writeAt(join(folder, "file"), "");
  await expect(withLock(join(folder, "file", "a.lock"), {}, async () => 1)).rejects.toThrow(
    /^cannot write .*file: (a file is in the way|a part of the path is a file, not a folder)$/,
  );
});

test("a folder or another file in the lock's place is one sentence", async () => {
  const folder = tempFolder();
  const lock = (name: string) => withLock(join(folder, name), {}, async () => 1);
  mkdirSync(join(folder, "folder.lock"));
  await expect(lock("folder.lock")).rejects.toThrow(/^cannot write .*folder\.lock: a folder is in the way$/);
  writeAt(join(folder, "notes.lock"), "these are my notes\n".repeat(100));
  await expect(lock("notes.lock")).rejects.toThrow(/notes\.lock is not a lock file; delete it$/);
});

test("one that cannot be taken says what it was for", async () => {
  const file = join(tempFolder(), "file");
  writeFileSync(file, "");
  const taken = withLock(join(file, "a.lock"), { purpose: "download tiny" }, async () => {});
  await expect(taken).rejects.toThrow(
    /^cannot download tiny: cannot write .*; set MODICUM_HOME to use a different folder$/,
  );
});
