import type { TopicScore } from "../paper.ts";
import type { Database } from "./database.ts";

/** The user's topics, and the papers' scores for them. */
export class TopicTable {
  constructor(private readonly db: Database) {}

  /** The labels, in the user's order. */
  async labels(): Promise<string[]> {
    const rows = await this.db.rows<{ label: string }>("SELECT label FROM topics ORDER BY place");
    return rows.map(({ label }) => label);
  }

  /** Replaces the labels. All papers are then without topics. */
  async setLabels(labels: readonly string[]): Promise<void> {
    await this.db.together(async (db) => {
      for (const table of ["topics", "paper_topics"]) await db.rows(`DELETE FROM ${table}`);
      for (const [place, label] of labels.entries())
        await db.rows("INSERT INTO topics VALUES (:label, :place)", { label, place });
    });
  }

  /** How many papers each label has, in the labels' order. */
  async counts(): Promise<{ label: string; papers: number }[]> {
    const rows = await this.db.rows<{ label: string; papers: number }>(
      `SELECT t.label, (SELECT count(*) FROM paper_topics p WHERE p.label = t.label) AS papers
       FROM topics t ORDER BY t.place`,
    );
    return rows.map(({ label, papers }) => ({ label, papers: Number(papers) }));
  }

  /** Papers with an abstract that have no topic yet. */
  async unread(limit: number): Promise<string[]> {
    const sql = `SELECT id FROM papers p WHERE abstract <> ''
      AND NOT EXISTS (SELECT 1 FROM paper_topics t WHERE t.paper = p.id) ORDER BY id LIMIT :limit`;
    return (await this.db.rows<{ id: string }>(sql, { limit })).map(({ id }) => id);
  }

  async put(papers: ReadonlyMap<string, readonly TopicScore[]>): Promise<void> {
    await this.db.together(async (db) => {
      for (const [paper, scores] of papers) {
        await db.rows("DELETE FROM paper_topics WHERE paper = :paper", { paper });
        for (const { label, score } of scores)
          await db.rows("INSERT INTO paper_topics VALUES (:paper, :label, :score)", { paper, label, score });
      }
    });
  }
}
