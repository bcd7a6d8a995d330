import type { MarkKind } from "../paper.ts";
import type { Database } from "./database.ts";

/** Marks and tags of readers. A reader is any string that the page assigns to one person. */
export class ReaderTable {
  constructor(private readonly db: Database) {}

  /** Marks a paper; an existing mark is unchanged. */
  async mark(reader: string, paper: string, kind: MarkKind): Promise<void> {
    const sql =
      "INSERT INTO marks (paper, reader, kind, at) VALUES (:paper, :reader, :kind, :at) ON CONFLICT DO NOTHING";
    await this.db.rows(sql, { paper, reader, kind, at: Date.now() });
  }

  async unmark(reader: string, paper: string, kind: MarkKind): Promise<void> {
    const sql = "DELETE FROM marks WHERE paper = :paper AND reader = :reader AND kind = :kind";
    await this.db.rows(sql, { paper, reader, kind });
  }

  /** The kinds of a reader's marks by paper, newest mark first. */
  async marks(reader: string): Promise<ReadonlyMap<string, ReadonlySet<MarkKind>>> {
    const sql = "SELECT paper, kind FROM marks WHERE reader = :reader ORDER BY at DESC";
    const all = new Map<string, Set<MarkKind>>();
    for (const { paper, kind } of await this.db.rows<{ paper: string; kind: MarkKind }>(sql, { reader }))
      all.set(paper, (all.get(paper) ?? new Set()).add(kind));
    return all;
  }

  async tag(reader: string, paper: string, tag: string): Promise<void> {
    const sql = "INSERT INTO tags (paper, reader, tag) VALUES (:paper, :reader, :tag) ON CONFLICT DO NOTHING";
    await this.db.rows(sql, { paper, reader, tag });
  }

  async untag(reader: string, paper: string, tag: string): Promise<void> {
    const sql = "DELETE FROM tags WHERE paper = :paper AND reader = :reader AND tag = :tag";
    await this.db.rows(sql, { paper, reader, tag });
  }

  /** A reader's tags by paper, in alphabetical order. */
  async tags(reader: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const sql = "SELECT paper, tag FROM tags WHERE reader = :reader ORDER BY tag";
    const all = new Map<string, Set<string>>();
    for (const { paper, tag } of await this.db.rows<{ paper: string; tag: string }>(sql, { reader }))
      all.set(paper, (all.get(paper) ?? new Set()).add(tag));
    return all;
  }
}
