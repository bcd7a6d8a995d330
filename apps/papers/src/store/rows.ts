import type { Paper, Summary, TopicScore } from "../paper.ts";
import { listed, type Queries } from "./database.ts";

export interface PaperRow {
  readonly id: string;
  readonly arxiv: string | null;
  readonly title: string;
  readonly abstract: string;
  readonly authors: string | null;
  readonly author_count: number | null;
  readonly published: string | null;
  readonly year_assumed: number;
  readonly votes: number | null;
  readonly comments: number | null;
  readonly links: string;
  readonly categories: string;
}

interface WholeRow extends PaperRow {
  readonly listed: string | null;
  readonly reader_votes: number;
  readonly reader_reads: number;
}

const marksOf = (kind: string) => `(SELECT count(*) FROM marks m WHERE m.paper = p.id AND m.kind = '${kind}')`;
const WHOLE = `SELECT p.*, (SELECT max(day) FROM listings l WHERE l.paper = p.id) AS listed,
  ${marksOf("vote")} AS reader_votes, ${marksOf("read")} AS reader_reads FROM papers p WHERE p.id IN `;

export const fieldsOf = (row: PaperRow) => ({
  ...{ arxiv: row.arxiv, title: row.title, abstract: row.abstract },
  authors: row.authors === null ? null : (JSON.parse(row.authors) as string[]),
  authorCount: row.author_count,
  ...{ published: row.published, yearAssumed: row.year_assumed === 1 },
  ...{ votes: row.votes, comments: row.comments },
  links: JSON.parse(row.links) as string[],
  categories: JSON.parse(row.categories) as string[],
});

/** The papers with these ids, in order; ids without a paper are skipped. */
export async function readPapers(db: Queries, ids: readonly string[]): Promise<Paper[]> {
  const { sql, values } = listed("id", ids);
  const rows = await db.rows<WholeRow>(`${WHOLE}${sql}`, values);
  const [topics, summaries] = [await readTopics(db, sql, values), await readSummaries(db, sql, values)];
  const found = new Map(rows.map((row) => [row.id, paperOf(row, topics.get(row.id) ?? [], summaries.get(row.id))]));
  return ids.flatMap((id) => found.get(id) ?? []);
}

const paperOf = (row: WholeRow, topics: readonly TopicScore[], summary: Summary | undefined): Paper => ({
  ...{ id: row.id, listed: row.listed, ...fieldsOf(row) },
  readers: { votes: Number(row.reader_votes), reads: Number(row.reader_reads) },
  ...{ topics, summary: summary ?? null },
});

type Listed = ReturnType<typeof listed>;

async function readTopics(db: Queries, sql: string, values: Listed["values"]): Promise<Map<string, TopicScore[]>> {
  const rows = await db.rows<TopicScore & { paper: string }>(
    `SELECT paper, label, score FROM paper_topics WHERE paper IN ${sql} ORDER BY score DESC`,
    values,
  );
  return grouped(rows);
}

function grouped(rows: readonly (TopicScore & { paper: string })[]): Map<string, TopicScore[]> {
  const all = new Map<string, TopicScore[]>();
  for (const { paper, label, score } of rows) all.set(paper, [...(all.get(paper) ?? []), { label, score }]);
  return all;
}

async function readSummaries(db: Queries, sql: string, values: Listed["values"]): Promise<Map<string, Summary>> {
  type Row = { paper: string; text: string; keywords: string; model: string; recipe: string; made: number };
  const rows = await db.rows<Row>(`SELECT * FROM summaries WHERE paper IN ${sql}`, values);
  return new Map(
    rows.map(({ paper, text, keywords, model, recipe, made }) => [
      paper,
      { text, keywords: JSON.parse(keywords), model, recipe: JSON.parse(recipe), made: Number(made) },
    ]),
  );
}
