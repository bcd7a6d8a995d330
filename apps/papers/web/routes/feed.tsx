import type { Context } from "hono";
import { UserError } from "modicum";
import type { Day, Paper } from "../../src/paper.ts";
import { FeedPage, type Links } from "../feed-page.tsx";
import { address } from "../format.ts";
import { type Marks, marksOf } from "../marks.ts";
import { beside, dayFrom, type Periods, periodFrom, rangeOf, rangeText } from "../periods.ts";
import { pathOf, readerOf, type Site, show } from "../site.ts";
import { parseTags } from "../tags.ts";

/** Papers per page. */
const PAGE = 50;
const MOST_PAGES = 1000;

interface FeedRequest {
  readonly period: Periods;
  readonly date: Day | undefined;
  readonly topic: string | undefined;
  readonly tags: string | undefined;
  /** From 0. */
  readonly page: number;
}

function requestOf(c: Context): FeedRequest {
  const { period, date, topic, tags, page } = c.req.query();
  const number = Number(page ?? 1);
  if (!Number.isInteger(number) || number < 1 || number > MOST_PAGES)
    throw new UserError(`page: expected 1 to ${MOST_PAGES}, got "${page}"`, 2);
  return {
    period: periodFrom(period),
    date: dayFrom("date", date),
    topic: topic || undefined,
    tags: tags?.trim() || undefined,
    page: number - 1,
  };
}

/** `/`: the papers of a day, a week, a month or all time; by default, of the newest day with papers. */
export async function feed(site: Site, c: Context): Promise<Response> {
  const { store } = site.papers;
  const ask = requestOf(c);
  const { period, date, topic, tags } = ask;
  const days = (await store.papers.days(MOST_DAYS)).map(({ day }) => day);
  const day = date ?? days[0];
  const range = day === undefined ? undefined : rangeOf(period, day);
  const marks = await marksOf(store, await readerOf(site, c), pathOf(c));
  const filter = { ...range, topic };
  const { papers, total, fault } = await (tags === undefined
    ? onePage(site, filter, ask.page)
    : onePageTagged(site, filter, ask.page, tags, marks));
  const heading = day === undefined ? "No papers yet" : `Trending: ${rangeText(period, range)}`;
  const links = pages(ask, total) ?? (range ? neighbours(ask, days, range) : {});
  const frame = {
    title: `${heading} · Daily papers`,
    here: period,
    feed: address("/atom.xml", { period, topic }),
    about: { type: "website", description: describe(papers) },
  } as const;
  return show(
    site,
    c,
    frame,
    <FeedPage
      {...{ heading, fault, papers, total, marks, links, period, topic, tags }}
      date={period === "all" ? undefined : day}
      topics={await store.topics.labels()}
    />,
  );
}

const MOST_DAYS = 3660;

type Filter = { readonly from?: Day; readonly to?: Day; readonly topic: string | undefined };

interface Found {
  readonly papers: readonly Paper[];
  /** The number of papers on all pages. */
  readonly total: number;
  readonly fault?: string;
}

async function onePage({ papers: { store } }: Site, filter: Filter, page: number): Promise<Found> {
  const papers = await store.papers.list({ ...filter, limit: PAGE, offset: page * PAGE });
  return { papers, total: await store.papers.count(filter) };
}

/** One page of papers that pass a tag filter, which is evaluated here, since the database cannot. */
async function onePageTagged(
  { papers: { store } }: Site,
  filter: Filter,
  page: number,
  tags: string,
  marks: Marks,
): Promise<Found> {
  try {
    const passes = parseTags(tags);
    const ids = (await store.papers.ids(filter)).filter((id) => passes(marks.tagsOf({ id })));
    return { papers: await store.papers.many(ids.slice(page * PAGE, (page + 1) * PAGE)), total: ids.length };
  } catch (error) {
    if (error instanceof UserError) return { papers: [], total: 0, fault: error.message };
    throw error;
  }
}

/** Links to the list's other pages; undefined if there is only one page. */
function pages({ page, ...ask }: FeedRequest, total: number): Links | undefined {
  if (total <= PAGE) return undefined;
  const to = (number: number) => address("/", { ...ask, page: String(number + 1) });
  return {
    before: page > 0 ? { href: to(page - 1), label: `${PAGE} before` } : undefined,
    after: (page + 1) * PAGE < total ? { href: to(page + 1), label: `Next ${PAGE}` } : undefined,
  };
}

function neighbours({ period, topic, tags }: FeedRequest, days: readonly Day[], range: { from: Day; to: Day }): Links {
  const { before, after } = beside(days, range);
  const link = (date: Day | undefined) =>
    date === undefined
      ? undefined
      : { href: address("/", { period, date, topic, tags }), label: rangeText(period, rangeOf(period, date)) };
  return { before: link(before), after: link(after) };
}

const describe = (papers: readonly Paper[]): string =>
  papers
    .slice(0, 3)
    .map(({ title }) => title)
    .join("; ");
