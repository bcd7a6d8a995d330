import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { afterAll, expect, test } from "vitest";
import { paperInputSchema } from "../paper.ts";
import { openStore } from "../store.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-papers-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("papers are there for another process as soon as they are put, and after a restart", async () => {
  const file = join(folder, "new", "papers.db");
  const [one, two] = [await openStore(file), await openStore(file)];
  await one.papers.put([paperInputSchema.parse({ title: "A Paper" })]);
  expect(await two.papers.count()).toBe(1);
  await Promise.all([one.close(), two.close()]);
  const again = await openStore(file);
  expect(await again.papers.get("a-paper")).toMatchObject({ title: "A Paper" });
  await again.close();
  expect(statSync(join(folder, "new")).mode & 0o077).toBe(0);
});

test("another program's database is left alone", async () => {
  const file = join(folder, "other.db");
  const other = new Libsql(file);
  other.exec("PRAGMA user_version = 3; CREATE TABLE papers (x)");
  other.close();
  await expect(openStore(file)).rejects.toThrow("other.db is another program's database");
});

test("a transaction that fails changes nothing, and holds up no other", async () => {
  const db = openSqlite(join(folder, "failing.db"));
  const failing = db.together(async ({ rows }) => {
    await rows("INSERT INTO topics VALUES ('a', 1)");
    throw new Error("no");
  });
  const other = db.rows("SELECT * FROM topics");
  await expect(failing).rejects.toThrow("no");
  expect(await other).toEqual([]);
  await db.close();
});
