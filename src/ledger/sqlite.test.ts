import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { guarded } from "../util/database/sqlite.ts";
import { UserError } from "../util/errors.ts";
import { LedgerFault } from "./database.ts";
import { checkSummed, oldReceipt, slow } from "./fixtures/migrated.testing.ts";
import { parts } from "./fixtures/parts.testing.ts";
import { makeReceipt } from "./receipt.ts";
import { sqliteSteps } from "./schema.ts";
import { ledgerFile } from "./sqlite.ts";
import { openLedger } from "./store.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ledger-"));
  path = join(folder, "receipts.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function filled() {
  const ledger = await openLedger(path);
  await ledger.add(...Array.from({ length: 5 }, () => makeReceipt(parts())));
  return ledger;
}

test("missing folders are created", async () => {
  const deep = join(folder, "a/b/receipts.db");
  await (await openLedger(deep)).add(makeReceipt(parts()));
  expect((await (await openLedger(deep)).sum()).receipts).toBe(1);
});

test("receipts that earlier versions wrote are listed and summed", async () => {
  await (await openLedger(path)).close();
  const { id, ...receipt } = makeReceipt(parts());
  const works = [
    undefined,
    { calls: { smollm2: 1 } },
    { layers: { dense: 3, run: 2 }, calls: { a: 2, b: { dense: 1, run: 0 } } },
  ];
  const written = works.map((work, i) => ({ ...receipt, id: `${id}-${i}`, ...(work && { work }) }));
  const db = new Libsql(path);
  for (const each of written) db.prepare("INSERT INTO receipts (receipt) VALUES (?)").run([JSON.stringify(each)]);
  db.close();
  const ledger = await openLedger(path);
  expect(await ledger.list()).toEqual(expect.arrayContaining(written));
  expect((await ledger.sum()).receipts).toBe(3);
});

describe("a foreign file is one sentence, and stays as it was", () => {
  async function sentence(): Promise<string> {
    const error = await openLedger(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }

  test("text", async () => {
    writeFileSync(path, "these are my notes\n".repeat(100));
    expect(await sentence()).toBe(`${path} is damaged or is not a ledger; move it away to start a new one`);
    expect(readFileSync(path, "utf8")).toMatch(/^these are my notes\n/);
  });

  test("another program's database", async () => {
    const foreign = new Libsql(path);
    foreign.exec("CREATE TABLE bookmarks (url TEXT)");
    foreign.close();
    const before = readFileSync(path);
    expect(await sentence()).toBe(
      `${path} is another program's database, not a ledger; move it away to start a new one`,
    );
    expect(readFileSync(path)).toEqual(before);
  });

  test("a newer version's ledger", async () => {
    await (await openLedger(path)).close();
    new Libsql(path).exec(`PRAGMA user_version = ${sqliteSteps.length + 1}`);
    expect(await sentence()).toContain(
      `has schema version ${sqliteSteps.length + 1}, this program reads version ${sqliteSteps.length}`,
    );
  });

  test("a ledger cut short", async () => {
    const ledger = await filled();
    new Libsql(path).exec("PRAGMA wal_checkpoint(TRUNCATE)");
    await ledger.close();
    const cut = join(folder, "cut.db");
    writeFileSync(cut, readFileSync(path));
    truncateSync(cut, 5000);
    const attempt = openLedger(cut).then((opened) => opened.list());
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(`${cut} is damaged or is not a ledger`);
  });

  const remedy = "; make it writable, or set MODICUM_HOME to a folder that is";
  test("a folder in its place, or a file in its folder's place", async () => {
    mkdirSync(path);
    expect(await sentence()).toBe(`the ledger ${path} can't be used: a folder is in the way${remedy}`);
    writeFileSync(join(folder, "file"), "");
    path = join(folder, "file", "receipts.db");
    expect(await sentence()).toBe(`the ledger ${path} can't be used: a file is in the way${remedy}`);
  });

  test.each([
    ["SQLITE_READONLY", "it is read-only"],
    ["SQLITE_READONLY_DBMOVED", "it is read-only"],
    ["SQLITE_IOERR_WRITE", "the disk cannot read or write it"],
    ["SQLITE_BUSY", "another process has locked it"],
    ["SQLITE_CANTOPEN", "it cannot be opened"],
    ["EROFS", "the file system is read-only"],
  ])("what the disk or the system refuses: %s", (code, reason) => {
    const fail = () => {
      throw Object.assign(new Error("in SQLite's words"), { code });
    };
    const refused = { name: "UserError", message: `the ledger ${path} can't be used: ${reason}${remedy}` };
    expect(() => guarded(path, ledgerFile, fail)).toThrow(expect.objectContaining(refused));
  });

  test("a read-only folder, for which libsql has no code", () => {
    const fail = () => {
      const error = new Error("attempt to write a readonly database");
      throw Object.assign(error, { code: "UNKNOWN_SQLITE_ERROR_1544" });
    };
    expect(() => guarded(path, ledgerFile, fail)).toThrow(`the ledger ${path} can't be used: it is read-only${remedy}`);
  });

  test.each(["SQLITE_FULL", "ENOSPC"])("a full disk: %s", (code) => {
    const fail = () => {
      throw Object.assign(new Error("in SQLite's words"), { code });
    };
    expect(() => guarded(path, ledgerFile, fail)).toThrow(
      new UserError(`the ledger ${path} can't be used: the disk is full; free space on it`),
    );
  });

  test("a row that someone edited", async () => {
    const ledger = await filled();
    new Libsql(path).exec("UPDATE receipts SET receipt = json_set(receipt, '$.flops.saved', 0.9)");
    await expect(ledger.list()).rejects.toThrow(
      "the ledger holds a receipt that this program can't read: flops.saved: is not 1 - spent/dense",
    );
  });
});

test("the write-ahead log stays bounded, and trimming it loses nothing", async () => {
  const [one, two] = [await openLedger(path), await openLedger(path)];
  const sizes: number[] = [];
  while (sizes.length < 400) {
    await one.add(makeReceipt(parts()));
    await two.add(makeReceipt(parts()));
    sizes.push(statSync(`${path}-wal`).size);
  }
  expect(Math.max(...sizes)).toBeLessThan(4.1 * 2 ** 20);
  expect(sizes.filter((size, i) => size < (sizes[i - 1] ?? 0)).length).toBeGreaterThan(0);
  expect(await one.list()).toHaveLength(800);
});

test("a full disk is reported, and lost receipts can be written again once there is room", async () => {
  const exec = vi.spyOn(Libsql.prototype, "exec");
  const ledger = await filled();
  const db = exec.mock.contexts[0] as InstanceType<typeof Libsql>;
  const { page_count: pages } = db.prepare("PRAGMA page_count").get() as { page_count: number };
  db.exec(`PRAGMA max_page_count = ${pages}`);
  const receipts = Array.from({ length: 100 }, () => makeReceipt(parts()));
  await expect(ledger.add(...receipts)).rejects.toThrow(LedgerFault);
  await expect(ledger.add(...receipts)).rejects.toThrow("the disk is full");
  db.exec("PRAGMA max_page_count = 100000");
  await ledger.add(...receipts);
  expect((await ledger.sum()).receipts).toBe(105);
});

test("an empty file, left by an early kill, becomes a ledger", async () => {
  writeFileSync(path, "");
  expect((await (await filled()).sum()).receipts).toBe(5);
});

/** Writes a ledger in the format of an earlier version. */
function old(version: 1 | 2, receipts: readonly object[]): void {
  const db = new Libsql(path);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(readFileSync(new URL(`fixtures/version-${version}.sql`, import.meta.url), "utf8"));
  const insert = db.prepare("INSERT INTO receipts (receipt) VALUES (?)");
  for (const receipt of receipts) insert.run(JSON.stringify(receipt));
  db.close();
}

test.each([1, 2] as const)(
  "receipts of version %d, without waiting and images, are read and summed",
  async (version) => {
    old(version, [oldReceipt()]);
    for (const _ of [1, 2]) {
      const ledger = await openLedger(path);
      await ledger.add(slow);
      await checkSummed(ledger);
      await ledger.close();
    }
  },
);

describe("a ledger of version 1", () => {
  test("is migrated with every row by whoever opens it first, and has keys from then on", async () => {
    const before = Array.from({ length: 300 }, () => makeReceipt(parts()));
    old(1, before);
    const opened = await Promise.all([openLedger(path), openLedger(path), openLedger(path)]);
    expect((await opened[0]!.list()).toReversed()).toEqual(before);
    const keyed = makeReceipt(parts({ key: "ab12" }));
    await opened[1]!.add(keyed);
    expect(await opened[2]!.list({ key: "ab12" })).toEqual([keyed]);
    expect(await opened[2]!.sums()).toMatchObject([
      { key: null, receipts: 300 },
      { key: "ab12", receipts: 1 },
    ]);
    const db = new Libsql(path);
    expect(db.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: sqliteSteps.length });
    expect(db.prepare("PRAGMA integrity_check").all()).toMatchObject([{ integrity_check: "ok" }]);
  });

  test("has version 1's tables, whatever the current list of columns", () => {
    const [original, today] = [new Libsql(":memory:"), new Libsql(":memory:")];
    original.exec(readFileSync(new URL("fixtures/version-1.sql", import.meta.url), "utf8"));
    today.exec(sqliteSteps[0]!);
    const tables = "SELECT sql FROM sqlite_schema ORDER BY name";
    expect(today.prepare(tables).all()).toEqual(original.prepare(tables).all());
  });
});
