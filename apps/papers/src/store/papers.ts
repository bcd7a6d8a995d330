import { addressOf, titleKey } from "../identity.ts";
import { merged } from "../merge.ts";
import type { Day, Paper, PaperFields, Summary } from "../paper.ts";
import { dayNumber, NEWEST, TRENDING } from "../trending.ts";
import { type Database, listed, type Queries, type Values } from "./database.ts";
import { fieldsOf, type PaperRow, readPapers } from "./rows.ts";

/** A list's conditions, all of which apply. */
export interface PaperFilter {
  /** The first and last day of listing, both inclusive. */
  readonly from?: Day | undefined;
  readonly to?: Day | undefined;
  readonly topic?: string | undefined;
  /** Listings that became known after this time, in milliseconds since 1970. */
  readonly after?: number | undefined;
  readonly ids?: readonly string[] | undefined;
}

/** `newest` orders by the day of listing; papers that no source listed come last. */
const ORDERS = { trending: TRENDING, newest: NEWEST } as const;

/** A limit larger than any number of papers. */
const ALL = 2 ** 31 - 1;

export interface PaperList extends PaperFilter {
  /** Default: `trending`. */
  readonly sort?: keyof typeof ORDERS | undefined;
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
}

/** The effect of one paper's import. */
export interface Put {
  readonly id: string;
  readonly change: "added" | "changed" | "unchanged";
}

type Kept = Omit<PaperFields, "listed">;
type Found = Kept & { readonly id: string };

/** Tasks for each paper that run later: indexing (with vectors, or by words alone), its topic, its summary. */
const pendingTasks = ["papers", "papers-words", "topics", "summary"] as const;
export type PendingTask = (typeof pendingTasks)[number];

/** Tables with a column `paper`, whose rows move when two papers turn out to be the same. */
const OF_PAPERS = ["listings", "summaries", "marks", "tags", "paper_topics"];

export class PaperTable {
  constructor(private readonly db: Database) {}

  /** Adds a source's papers, or merges new fields into existing ones, in one transaction. */
  async put(papers: readonly PaperFields[], now = Date.now()): Promise<Put[]> {
    return this.db.together(async (db) => {
      const done: Put[] = [];
      for (const paper of papers) done.push(await putOne(db, paper, now));
      return done;
    });
  }

  /** The paper at an address. For an old address, the paper's `id` is the new address. */
  async get(id: string): Promise<Paper | undefined> {
    const [moved] = await this.db.rows<{ id: string }>("SELECT id FROM moved WHERE old = :id", { id });
    return (await readPapers(this.db, [moved?.id ?? id]))[0];
  }

  /** The papers with these ids, in order; ids without a paper are skipped. */
  many(ids: readonly string[]): Promise<Paper[]> {
    return readPapers(this.db, ids);
  }

  async list(list: PaperList = {}): Promise<Paper[]> {
    return readPapers(this.db, await this.ids({ limit: 50, ...list }));
  }

  /** Ids of the papers in a list, in order; by default of all papers. */
  async ids({ sort = "trending", limit = ALL, offset = 0, ...filter }: PaperList = {}): Promise<string[]> {
    const { sql, values } = conditions(filter);
    const rows = await this.db.rows<{ id: string }>(
      `SELECT p.id FROM papers p ${sql} ORDER BY ${ORDERS[sort]} DESC NULLS LAST, p.id LIMIT :limit OFFSET :offset`,
      { ...values, limit, offset },
    );
    return rows.map(({ id }) => id);
  }

  async count(filter: PaperFilter = {}): Promise<number> {
    const { sql, values } = conditions(filter);
    const [row] = await this.db.rows<{ papers: number }>(`SELECT count(*) AS papers FROM papers p ${sql}`, values);
    return Number(row!.papers);
  }

  /** Papers that wait for a task, latest listed first, including deleted papers. */
  async pending(task: PendingTask, limit: number): Promise<string[]> {
    const sql = `SELECT paper FROM pending WHERE task = :task
      ORDER BY coalesce((SELECT max(day) FROM listings l WHERE l.paper = pending.paper), '') DESC, paper LIMIT :limit`;
    return (await this.db.rows<{ paper: string }>(sql, { task, limit })).map(({ paper }) => paper);
  }

  async done(task: PendingTask, ids: readonly string[]): Promise<void> {
    const { sql, values } = listed("id", ids);
    await this.db.rows(`DELETE FROM pending WHERE task = :task AND paper IN ${sql}`, { task, ...values });
  }

  /** Marks all papers as waiting for a task. */
  async renew(task: PendingTask): Promise<void> {
    await this.db.rows("INSERT INTO pending SELECT id, :task FROM papers WHERE true ON CONFLICT DO NOTHING", { task });
  }

  async summarise(paper: string, { text, keywords, model, recipe, made }: Summary): Promise<void> {
    await this.db.rows(
      `INSERT INTO summaries VALUES (:paper, :text, :keywords, :model, :recipe, :made) ON CONFLICT (paper) DO UPDATE
       SET text = excluded.text, keywords = excluded.keywords, model = excluded.model, recipe = excluded.recipe,
         made = excluded.made`,
      { paper, text, keywords: JSON.stringify(keywords), model, recipe: JSON.stringify(recipe), made },
    );
  }

  /** Days that have papers, newest first. */
  async days(limit = 366): Promise<{ day: Day; papers: number }[]> {
    const sql = "SELECT day, count(*) AS papers FROM listings GROUP BY day ORDER BY day DESC LIMIT :limit";
    const rows = await this.db.rows<{ day: Day; papers: number }>(sql, { limit });
    return rows.map(({ day, papers }) => ({ day, papers: Number(papers) }));
  }
}

function conditions({ from, to, after, topic, ids }: PaperFilter): { sql: string; values: Values } {
  const [all, values]: [string[], Record<string, string | number>] = [[], {}];
  if (from !== undefined || to !== undefined || after !== undefined) {
    const day = "d.day >= :from AND d.day <= :to AND d.at > :after";
    all.push(`p.id IN (SELECT d.paper FROM listings d WHERE ${day})`);
    Object.assign(values, { from: from ?? "0000-01-01", to: to ?? "9999-12-31", after: after ?? -1 });
  }
  if (topic !== undefined) {
    all.push("p.id IN (SELECT t.paper FROM paper_topics t WHERE t.label = :topic)");
    values["topic"] = topic;
  }
  if (ids !== undefined) {
    const among = listed("id", ids);
    all.push(`p.id IN ${among.sql}`);
    Object.assign(values, among.values);
  }
  return { sql: all.length === 0 ? "" : `WHERE ${all.join(" AND ")}`, values };
}

async function putOne(db: Queries, { listed: day, ...fields }: PaperFields, at: number): Promise<Put> {
  const known = await find(db, fields);
  const put = known.length === 0 ? await add(db, fields) : await unite(db, known, fields);
  const isOld = known.length === 1 && known[0]!.id === put.id && (known[0]!.abstract !== "" || fields.abstract === "");
  if (!isOld) await awaitTasks(db, put.id);
  const listing = "INSERT INTO listings VALUES (:id, :day, :number, :at) ON CONFLICT DO NOTHING RETURNING day";
  const isNew = day !== null && (await db.rows(listing, { id: put.id, day, number: dayNumber(day), at })).length > 0;
  return isNew && put.change === "unchanged" ? { ...put, change: "changed" } : put;
}

/** Known copies of this paper: by its arXiv id, and by its title unless two arXiv ids differ. */
async function find(db: Queries, { arxiv, title }: Kept): Promise<Found[]> {
  const rows = await db.rows<PaperRow>(
    `SELECT * FROM papers WHERE arxiv = :arxiv OR (title_key = :key AND (arxiv IS NULL OR :arxiv = ''))
     ORDER BY CASE WHEN arxiv IS NULL THEN 1 ELSE 0 END, id`,
    { arxiv: arxiv ?? "", key: titleKey(title) },
  );
  return rows.map((row) => ({ id: row.id, ...fieldsOf(row) }));
}

async function add(db: Queries, fields: Kept): Promise<Put> {
  const key = titleKey(fields.title);
  const id = addressOf(fields.arxiv, key);
  const names = Object.keys(columns(fields));
  const sql = `INSERT INTO papers (id, title_key, ${names.join(", ")}) VALUES (:id, :key, :${names.join(", :")})`;
  await db.rows(sql, { id, key, ...columns(fields) });
  return { id, change: "added" };
}

/** Marks a paper with new text as waiting for all tasks. */
async function awaitTasks(db: Queries, paper: string): Promise<void> {
  for (const task of pendingTasks)
    await db.rows("INSERT INTO pending VALUES (:paper, :task) ON CONFLICT DO NOTHING", { paper, task });
}

/** Merges known papers and a source's fields into one paper; the rows of the merged papers move to its address. */
async function unite(db: Queries, known: readonly Found[], fields: Kept): Promise<Put> {
  const [{ id: old, ...first }, ...others] = known as [Found, ...Found[]];
  const all = [...others.map(({ id: _, ...fields }) => fields), fields].reduce<Kept>(merged, first);
  const id = addressOf(all.arxiv, titleKey(all.title));
  if (id === old && others.length === 0 && JSON.stringify(first) === JSON.stringify({ ...first, ...all }))
    return { id, change: "unchanged" };
  for (const other of others) await move(db, other.id, id);
  if (id !== old) await move(db, old, id);
  await db.rows("DELETE FROM papers WHERE id = :id", { id });
  await add(db, all);
  return { id, change: "changed" };
}

/** Moves a paper's rows to a new address, and redirects its old addresses there. */
async function move(db: Queries, old: string, id: string): Promise<void> {
  for (const table of OF_PAPERS) {
    const [row] = await db.rows(`SELECT * FROM ${table} WHERE paper = :old LIMIT 1`, { old });
    const rest = Object.keys(row ?? {}).filter((name) => name !== "paper");
    if (rest.length > 0)
      await db.rows(
        `INSERT INTO ${table} (paper, ${rest.join(", ")}) SELECT :id, ${rest.join(", ")} FROM ${table}
         WHERE paper = :old ON CONFLICT DO NOTHING`,
        { old, id },
      );
    await db.rows(`DELETE FROM ${table} WHERE paper = :old`, { old });
  }
  await db.rows("UPDATE receipts SET paper = :id WHERE paper = :old", { old, id });
  await db.rows("UPDATE moved SET id = :id WHERE id = :old", { old, id });
  await db.rows("INSERT INTO moved VALUES (:old, :id) ON CONFLICT (old) DO UPDATE SET id = excluded.id", { old, id });
  await db.rows("DELETE FROM papers WHERE id = :old", { old });
  await awaitTasks(db, old);
}

const columns = (fields: Kept): Record<string, string | number | null> => ({
  ...{ arxiv: fields.arxiv, title: fields.title, abstract: fields.abstract },
  authors: fields.authors && JSON.stringify(fields.authors),
  author_count: fields.authorCount,
  published: fields.published,
  year_assumed: fields.yearAssumed ? 1 : 0,
  ...{ votes: fields.votes, comments: fields.comments },
  links: JSON.stringify(fields.links),
  categories: JSON.stringify(fields.categories),
});
