import type { Context } from "hono";
import { UserError } from "modicum";
import type { Paper } from "../../src/paper.ts";
import { marksOf } from "../marks.ts";
import { dayFrom } from "../periods.ts";
import { limited } from "../refusal.ts";
import { type Results, SearchPage } from "../search-page.tsx";
import { pathOf, readerOf, type Site, show } from "../site.ts";

const SHOWN = 20;
/** The number of papers that the reranker reads: one window of its list. */
const READ = 10;
/** The number of papers to find before filters remove some of them. */
const FOUND = 200;
const LONGEST = 200;

interface Filter {
  readonly topic: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** `/search?q=`: papers by words and by meaning; with `rerank=1` in the order of a model that reads them. */
export async function search(site: Site, c: Context): Promise<Response> {
  const { q = "", topic, from, to, rerank } = c.req.query();
  const query = q.trim();
  if (query.length > LONGEST) throw new UserError(`q: expected at most ${LONGEST} characters, got ${query.length}`, 2);
  const filter = { topic: topic || undefined, from: dayFrom("from", from), to: dayFrom("to", to) };
  const reranked = rerank === "1" && site.reranking !== undefined;
  const client = site.clientOf(c);
  if (query !== "") limited(site.limits[reranked ? "rerank" : "search"].wait(client));
  const results = query === "" ? undefined : await found(site, query, filter);
  const ordered = reranked && results ? await reordered(site, query, results) : results;
  const { store } = site.papers;
  return show(
    site,
    c,
    { title: query === "" ? "Search · Daily papers" : `${query} · Daily papers`, query },
    <SearchPage
      {...{ query, reranked, ...filter }}
      results={ordered}
      canRerank={site.reranking !== undefined}
      topics={await store.topics.labels()}
      marks={await marksOf(store, await readerOf(site, c), pathOf(c))}
    />,
  );
}

async function found({ papers, reranking }: Site, query: string, filter: Filter): Promise<Results> {
  const { results, receipt, missing } = await papers.search(query, {
    top: filter.topic || filter.from || filter.to ? FOUND : SHOWN,
  });
  const without = [
    ...(papers.embedding === "none" ? ["Search uses only words: there is no embedding model."] : []),
    ...(reranking ? [] : ["Reranking is off: no model is set for it."]),
  ];
  const passing = results.map(({ paper }) => paper).filter((paper) => passes(paper, filter));
  return {
    papers: passing.slice(0, SHOWN),
    receipts: [receipt],
    without,
    missing: missing && `Found only by words: ${missing}.`,
  };
}

const passes = ({ topics, listed }: Paper, { topic, from, to }: Filter): boolean =>
  (topic === undefined || topics.some(({ label }) => label === topic)) &&
  ((from === undefined && to === undefined) || (listed !== null && listed >= (from ?? "") && listed <= (to ?? "9999")));

async function reordered({ reranking }: Site, query: string, results: Results): Promise<Results> {
  if (!reranking || results.papers.length < 2) return results;
  try {
    const [first, rest] = [results.papers.slice(0, READ), results.papers.slice(READ)];
    const { ids, receipt } = await reranking.order(query, first);
    const byId = new Map(first.map((paper) => [paper.id, paper]));
    const ordered = [...ids.map((id) => byId.get(id)!), ...rest];
    return { ...results, papers: ordered, receipts: [...results.receipts, receipt] };
  } catch (error) {
    if (error instanceof UserError) return { ...results, missing: error.message };
    throw error;
  }
}
