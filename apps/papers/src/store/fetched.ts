import type { Database } from "./database.ts";

/** A response's validators, which show whether it has changed since (RFC 9110, section 8.8). */
export interface Validators {
  readonly etag: string | null;
  readonly modified: string | null;
}

/** The last import of each address. */
export class FetchedTable {
  constructor(private readonly db: Database) {}

  async get(url: string): Promise<Validators | undefined> {
    return (await this.db.rows<Validators>("SELECT etag, modified FROM fetched WHERE url = :url", { url }))[0];
  }

  async put(url: string, { etag, modified }: Validators): Promise<void> {
    const sql = `INSERT INTO fetched VALUES (:url, :etag, :modified)
      ON CONFLICT (url) DO UPDATE SET etag = excluded.etag, modified = excluded.modified`;
    await this.db.rows(sql, { url, etag, modified });
  }
}
