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

  /** Replaces the labels. All papers then have no topic, and wait for one. */
  async setLabels(labels: readonly string[]): Promise<void> {
    await this.db.together(async (db) => {
      for (const table of ["topics", "paper_topics"]) await db.rows(`DELETE FROM ${table}`);
      for (const [place, label] of [...new Set(labels)].entries())
        await db.rows("INSERT INTO topics VALUES (:label, :place)", { label, place });
      await db.rows("INSERT INTO pending SELECT id, 'topics' FROM papers WHERE true ON CONFLICT DO NOTHING");
    });
  }

  /** The number of papers with each label, in the labels' order. */
  async counts(): Promise<{ label: string; papers: number }[]> {
    const rows = await this.db.rows<{ label: string; papers: number }>(
      `SELECT t.label, (SELECT count(*) FROM paper_topics p WHERE p.label = t.label) AS papers
       FROM topics t ORDER BY t.place`,
    );
    return rows.map(({ label, papers }) => ({ label, papers: Number(papers) }));
  }

  /** Assigns each paper its topic, if any, replacing the earlier topic. */
  async put(papers: ReadonlyMap<string, TopicScore | undefined>): Promise<void> {
    await this.db.together(async (db) => {
      for (const [paper, topic] of papers) {
        await db.rows("DELETE FROM paper_topics WHERE paper = :paper", { paper });
        if (topic) await db.rows("INSERT INTO paper_topics VALUES (:paper, :label, :score)", { paper, ...topic });
      }
    });
  }
}
