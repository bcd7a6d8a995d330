import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { afterAll, expect, test } from "vitest";
import { wishSchema } from "../mail/wish.ts";
import { paperInputSchema } from "../paper.ts";
import { openStore } from "../store.ts";
import { APPLICATION_ID, steps } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-papers-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("other processes see papers as soon as they are stored, also after a restart", async () => {
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

test("another program's database is unchanged", async () => {
  const file = join(folder, "other.db");
  const other = new Libsql(file);
  other.exec("PRAGMA user_version = 3; CREATE TABLE papers (x)");
  other.close();
  await expect(openStore(file)).rejects.toThrow("other.db is another program's database");
});

test("a file from before accounts existed gets them, keeps its readers, and computes its topics again", async () => {
  const file = join(folder, "before.db");
  const before = new Libsql(file);
  before.exec(`${steps[0]}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`);
  before.exec("INSERT INTO marks VALUES ('a-paper', 'reader', 'save', 1)");
  before.exec("INSERT INTO papers VALUES ('a', NULL, 'a', 'A', '', NULL, NULL, NULL, 0, NULL, NULL, '[]', '[]')");
  before.close();
  const store = await openStore(file);
  const link = await store.subscriptions.token("sign-in", "ada@example.org", 0);
  expect(await store.accounts.signIn(link, "reader", "browser", 0)).toBe("ada@example.org");
  expect(await store.readers.marks(await store.accounts.reader("browser"))).toEqual(
    new Map([["a-paper", new Set(["save"])]]),
  );
  expect(await store.papers.pending("topics", 10)).toEqual(["a"]);
  await store.close();
});

test("a deleted account leaves neither its address nor its reader in any table, and no address on disk", async () => {
  const file = join(folder, "deleted.db");
  const { accounts, subscriptions, readers, outbox, close } = await openStore(file);
  const address = "ada@example.org";
  await accounts.signIn(await subscriptions.token("sign-in", address, 0), "before", "browser", 0);
  const reader = await accounts.reader("browser");
  const wish = wishSchema.parse({ reader, tags: ["later"] });
  await readers.mark(reader, "a-paper", "save");
  await readers.tag(reader, "a-paper", "later");
  await subscriptions.activate(address, wish);
  for (const purpose of ["sign-in", "unsubscribe"] as const) await subscriptions.token(purpose, address, 0);
  await subscriptions.token("confirm", JSON.stringify({ address, wish }), 0);
  await outbox.add({ message: "m", address, period: "p", content: { kind: "confirm", wish }, at: 0 });
  const db = new Libsql(file);
  const rows = (table: string) => db.prepare(`SELECT * FROM ${table}`).all([]);
  const tables = (db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all([]) as { name: string }[]).map(
    ({ name }) => name,
  );
  const naming = () =>
    tables.filter((table) => [address, reader].some((name) => JSON.stringify(rows(table)).includes(name)));
  const onDisk = () => ["", "-wal"].filter((end) => readFileSync(file + end).includes(address));
  expect(naming().sort()).toEqual(["accounts", "browsers", "marks", "outbox", "subscriptions", "tags", "tokens"]);
  expect(onDisk()).not.toEqual([]);
  await accounts.remove("browser");
  expect(naming()).toEqual([]);
  expect(onDisk()).toEqual([]);
  db.close();
  await close();
});

test("a failing transaction changes nothing, and blocks no other", async () => {
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
