import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../util/errors.ts";
import { guarded } from "./database.ts";
import { parts } from "./fixtures/parts.ts";
import { makeReceipt } from "./receipt.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { openLedger } from "./store.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ledger-"));
  path = join(folder, "receipts.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const HOUR = 3_600_000;
const start = Date.UTC(2026, 0, 31);
const hourly = ["a", "b", "a", "b", "a"].map((model, i) => makeReceipt(parts({ model }), start + i * HOUR));

async function filled() {
  const ledger = await openLedger(path);
  for (const receipt of hourly) ledger.add(receipt);
  return ledger;
}

describe("add and get", () => {
  test("what was added is there, to the last bit, also for the next to open it", async () => {
    const receipt = makeReceipt(parts({ flops: { dense: 1 / 3, spent: 1e20, overhead: 0.1 }, model: "ünï'\"code" }));
    const ledger = await openLedger(path);
    ledger.add(receipt);
    expect(ledger.get(receipt.id)).toEqual(receipt);
    ledger.close();
    expect((await openLedger(path)).get(receipt.id)).toEqual(receipt);
  });

  test("an unknown id is undefined", async () => {
    expect((await filled()).get("nope")).toBeUndefined();
  });

  test("an id is taken once", async () => {
    const ledger = await filled();
    expect(() => ledger.add(hourly[0]!)).toThrow(/UNIQUE/);
    expect(ledger.sum().receipts).toBe(5);
  });

  test("two that have it open see each other's", async () => {
    const [one, two] = [await openLedger(path), await openLedger(path)];
    one.add(hourly[0]!);
    two.add(hourly[1]!);
    expect(one.list().map((r) => r.id)).toEqual([hourly[1]!.id, hourly[0]!.id]);
    expect(two.list()).toEqual(one.list());
  });

  test("folders on the way are made", async () => {
    const deep = join(folder, "a/b/receipts.db");
    (await openLedger(deep)).add(hourly[0]!);
    expect((await openLedger(deep)).sum().receipts).toBe(1);
  });
});

describe("list", () => {
  const at = (hours: number): Date => new Date(start + hours * HOUR);
  const ids = (...places: number[]) => places.map((i) => hourly[i]!.id);

  test.each([
    ["newest first", {}, [4, 3, 2, 1, 0]],
    ["since, itself included", { since: at(3) }, [4, 3]],
    ["since, a moment later", { since: new Date(start + 3 * HOUR + 1) }, [4]],
    ["until, itself excluded", { until: at(2) }, [1, 0]],
    ["of a model", { model: "b" }, [3, 1]],
    ["at most", { limit: 2 }, [4, 3]],
    ["all at once", { since: at(0), until: at(4), model: "a", limit: 1 }, [2]],
    ["none", { model: "c" }, []],
    ["at most none", { limit: 0 }, []],
  ])("%s", async (_, filter, places) => {
    expect((await filled()).list(filter).map((r) => r.id)).toEqual(ids(...places));
  });

  test("of one millisecond, the last added comes first", async () => {
    const ledger = await openLedger(path);
    const same = Array.from({ length: 20 }, () => makeReceipt(parts(), start));
    for (const receipt of same) ledger.add(receipt);
    expect(ledger.list().map((r) => r.id)).toEqual(same.map((r) => r.id).reverse());
  });
});

describe("sum", () => {
  test("adds up every column and weighs the share saved by FLOPs", async () => {
    const ledger = await openLedger(path);
    ledger.add(makeReceipt(parts({ flops: { dense: 100, spent: 50, overhead: 5 }, estimated: true })));
    ledger.add(
      makeReceipt(
        parts({ flops: { dense: 300, spent: 300, overhead: 1 }, tokens: { prompt: 8, cached: 3, completion: 1 } }),
      ),
    );
    expect(ledger.sum()).toEqual({
      receipts: 2,
      estimated: 1,
      tokens: { prompt: 820, cached: 3, completion: 65 },
      flops: { dense: 400, spent: 350, overhead: 6, saved: 0.125 },
      bytes: { dense: 2.2e10, spent: 2e10 },
      ms: { load: 620, prefill: 1800, decode: 1280, total: 3700 },
    });
  });

  test("takes the filter of list", async () => {
    const ledger = await filled();
    expect(ledger.sum({ model: "b", since: new Date(start + 2 * HOUR) }).receipts).toBe(1);
  });

  test("of nothing is zero", async () => {
    const { receipts, flops } = (await openLedger(path)).sum();
    expect([receipts, flops]).toEqual([0, { dense: 0, spent: 0, overhead: 0, saved: 0 }]);
  });
});

describe("a file that is none of ours is one sentence, and stays as it was", () => {
  async function sentence(): Promise<string> {
    const error = await openLedger(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }

  test("text", async () => {
    writeFileSync(path, "these are my notes\n".repeat(100));
    expect(await sentence()).toBe(`${path} is damaged or no ledger; move it away to start a new one`);
    expect(readFileSync(path, "utf8")).toMatch(/^these are my notes\n/);
  });

  test("another program's database", async () => {
    const foreign = new Libsql(path);
    foreign.exec("CREATE TABLE bookmarks (url TEXT)");
    foreign.close();
    const before = readFileSync(path);
    expect(await sentence()).toBe(
      `${path} is another program's database, expected a ledger; move it away to start a new one`,
    );
    expect(readFileSync(path)).toEqual(before);
  });

  test("a newer version's ledger", async () => {
    (await openLedger(path)).close();
    new Libsql(path).exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    expect(await sentence()).toContain(
      `has schema version ${SCHEMA_VERSION + 1}, this program reads version ${SCHEMA_VERSION}`,
    );
  });

  test("a ledger cut short", async () => {
    const ledger = await filled();
    new Libsql(path).exec("PRAGMA wal_checkpoint(TRUNCATE)");
    ledger.close();
    const cut = join(folder, "cut.db");
    writeFileSync(cut, readFileSync(path));
    truncateSync(cut, 5000);
    const attempt = openLedger(cut).then((opened) => opened.list());
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(`${cut} is damaged or no ledger`);
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
    ["SQLITE_FULL", "the disk is full"],
    ["SQLITE_IOERR_WRITE", "the disk fails to read or write it"],
    ["SQLITE_BUSY", "another process does not let go of it"],
    ["SQLITE_CANTOPEN", "it cannot be opened"],
    ["EROFS", "the file system is read-only"],
  ])("what the disk or the system refuses: %s", (code, reason) => {
    const fail = () => {
      throw Object.assign(new Error("in SQLite's words"), { code });
    };
    const refused = { name: "UserError", message: `the ledger ${path} can't be used: ${reason}${remedy}` };
    expect(() => guarded(path, fail)).toThrow(expect.objectContaining(refused));
  });

  test("a row that someone edited", async () => {
    const ledger = await filled();
    new Libsql(path).exec("UPDATE receipts SET receipt = json_set(receipt, '$.flops.saved', 0.9)");
    expect(() => ledger.list()).toThrow(
      "the ledger holds a receipt that this program can't read: flops.saved: is not 1 - spent/dense",
    );
  });
});

test("the write-ahead log does not grow without end, and trimming it loses nothing", async () => {
  const [one, two] = [await openLedger(path), await openLedger(path)];
  const sizes = Array.from({ length: 400 }, () => {
    one.add(makeReceipt(parts()));
    two.add(makeReceipt(parts()));
    return statSync(`${path}-wal`).size;
  });
  expect(Math.max(...sizes)).toBeLessThan(4.1 * 2 ** 20);
  expect(sizes.filter((size, i) => size < (sizes[i - 1] ?? 0)).length).toBeGreaterThan(0);
  expect(one.list()).toHaveLength(800);
});

test("an empty file, as a kill at the first moment leaves it, becomes a ledger", async () => {
  writeFileSync(path, "");
  expect((await filled()).sum().receipts).toBe(5);
});
