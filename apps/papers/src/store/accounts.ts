import { hashOf, newToken } from "../mail/tokens.ts";
import type { Database, Queries } from "./database.ts";

/** The columns in which subscriptions name the reader whose tags they use. */
const WISHES = [
  ["subscriptions", "wish"],
  ["tokens", "subject"],
  ["outbox", "content"],
] as const;

/** Accounts: mail addresses with one reader each, and the browsers signed in as that reader. */
export class AccountTable {
  constructor(private readonly db: Database) {}

  /** The reader of a browser: its account's reader, else the browser's own. */
  async reader(browser: string): Promise<string> {
    const sql = "SELECT reader FROM browsers WHERE browser = :browser";
    return (await this.db.rows<{ reader: string }>(sql, { browser }))[0]?.reader ?? browser;
  }

  /** The address that a browser is signed in with. */
  async address(browser: string): Promise<string | undefined> {
    const sql = "SELECT address FROM accounts a, browsers b WHERE a.reader = b.reader AND b.browser = :browser";
    return (await this.db.rows<{ address: string }>(sql, { browser }))[0]?.address;
  }

  /**
   * Signs a browser in with a link's token, which is used up. The browser, now named `after`, becomes the reader of the
   * link's address, who gets the browser's marks and tags. Returns the address; undefined if the link no longer works.
   */
  signIn(token: string, before: string, after: string, now: number): Promise<string | undefined> {
    return this.db.together(async (db) => {
      const [used] = await db.rows<{ subject: string }>(
        "DELETE FROM tokens WHERE hash = :hash AND purpose = 'sign-in' AND expires >= :now RETURNING subject",
        { hash: hashOf(token), now },
      );
      if (!used) return undefined;
      const reader = await readerOf(db, used.subject, now);
      await moveMarks(db, before, reader);
      await db.rows("DELETE FROM browsers WHERE browser = :before", { before });
      await db.rows("INSERT INTO browsers (browser, reader) VALUES (:after, :reader)", { after, reader });
      return used.subject;
    });
  }

  async signOut(browser: string): Promise<void> {
    await this.db.rows("DELETE FROM browsers WHERE browser = :browser", { browser });
  }

  /**
   * Deletes a browser's account and everything stored for its reader or its address: marks, tags, subscriptions,
   * mail, links and signed-in browsers. Returns the address; undefined if there is no account.
   */
  async remove(browser: string): Promise<string | undefined> {
    const address = await this.db.together(async (db) => {
      const [account] = await db.rows<{ address: string; reader: string }>(
        `DELETE FROM accounts WHERE reader = (SELECT reader FROM browsers WHERE browser = :browser)
         RETURNING address, reader`,
        { browser },
      );
      if (!account) return undefined;
      const { address, reader } = account;
      for (const table of ["marks", "tags", "browsers"])
        await db.rows(`DELETE FROM ${table} WHERE reader = :reader`, { reader });
      for (const table of ["subscriptions", "outbox"])
        await db.rows(`DELETE FROM ${table} WHERE address = :address`, { address });
      const start = `{"address":${JSON.stringify(address)},`;
      const sql = "DELETE FROM tokens WHERE subject = :address OR substr(subject, 1, length(:start)) = :start";
      await db.rows(sql, { address, start });
      for (const [table, column] of WISHES)
        await db.rows(`DELETE FROM ${table} WHERE ${column} <> replace(${column}, :mark, '')`, {
          mark: markOf(reader),
        });
      return address;
    });
    if (address !== undefined) await this.db.clearLog();
    return address;
  }
}

const markOf = (reader: string): string => `"reader":${JSON.stringify(reader)}`;

/** The reader of an address. A new reader's id is random, not a cookie's hash, so no cookie outlives signing out. */
async function readerOf(db: Queries, address: string, since: number): Promise<string> {
  const values = { address, reader: newToken(), since };
  await db.rows(
    "INSERT INTO accounts (address, reader, since) VALUES (:address, :reader, :since) ON CONFLICT DO NOTHING",
    values,
  );
  const [row] = await db.rows<{ reader: string }>("SELECT reader FROM accounts WHERE address = :address", { address });
  return row!.reader;
}

/** Moves one reader's marks and tags to another reader, without duplicates. */
async function moveMarks(db: Queries, from: string, to: string): Promise<void> {
  const values = { from, to };
  await db.rows(
    `INSERT INTO marks (paper, reader, kind, at) SELECT paper, :to, kind, at FROM marks WHERE reader = :from
     ON CONFLICT DO NOTHING`,
    values,
  );
  await db.rows(
    `INSERT INTO tags (paper, reader, tag) SELECT paper, :to, tag FROM tags WHERE reader = :from
     ON CONFLICT DO NOTHING`,
    values,
  );
  for (const table of ["marks", "tags"]) await db.rows(`DELETE FROM ${table} WHERE reader = :from`, { from });
  const [old, next] = [markOf(from), markOf(to)];
  for (const [table, column] of WISHES) {
    const sql = `UPDATE ${table} SET ${column} = replace(${column}, :old, :next)
      WHERE ${column} <> replace(${column}, :old, :next)`;
    await db.rows(sql, { old, next });
  }
}
