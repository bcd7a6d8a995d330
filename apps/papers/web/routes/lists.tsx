import type { Context } from "hono";
import { atom } from "../atom.ts";
import { Empty } from "../feed-page.tsx";
import { address, count, paperPath } from "../format.ts";
import { periodFrom, rangeOf, rangeText } from "../periods.ts";
import { Receipts } from "../receipts.tsx";
import { originOf, pathOf, type Site, show } from "../site.ts";

/** The maximum number of entries in an Atom feed. */
const ENTRIES = 50;

/** `/atom.xml?period=&topic=`: the newest papers for feed readers. */
export async function atomFeed(site: Site, c: Context): Promise<Response> {
  const { papers } = site.papers.store;
  const [period, topic] = [periodFrom(c.req.query("period")), c.req.query("topic") || undefined];
  const [newest] = await papers.days(1);
  const range = newest && rangeOf(period, newest.day);
  const sort = period === "all" ? "newest" : "trending";
  const found = await papers.list({ ...range, topic, limit: ENTRIES, sort });
  const origin = originOf(site, c);
  const text = atom({
    title: `Daily papers${topic ? ` on ${topic}` : ""}: ${newest ? `${sort}, ${rangeText(period, range)}` : "none yet"}`,
    self: origin + pathOf(c),
    page: origin + address("/", { period, topic }),
    entries: found.map((paper) => ({
      ...paper,
      page: origin + paperPath(paper.id),
      updated: `${paper.listed ?? paper.published ?? "1970-01-01"}T00:00:00Z`,
    })),
  });
  return c.body(text, 200, { "content-type": "application/atom+xml; charset=utf-8" });
}

/** `/topics`: the labels, and the number of papers with each. */
export async function topics(site: Site, c: Context): Promise<Response> {
  const { topics, papers } = site.papers.store;
  const counts = await topics.counts();
  const others = (await papers.count()) - counts.reduce((sum, { papers }) => sum + papers, 0);
  return show(
    site,
    c,
    { title: "Topics · Daily papers", here: "topics" },
    <>
      <h1>Topics</h1>
      {counts.length === 0 && <Empty>No topics are set. A list of labels of your own sorts the papers by topic.</Empty>}
      <ul class="similar">
        {counts.map(({ label, papers }) => (
          <li>
            <a href={address("/", { period: "all", topic: label })}>{label}</a>{" "}
            <span class="quiet">
              {count(papers, "paper")} · <a href={address("/atom.xml", { period: "all", topic: label })}>Atom</a>
            </span>
          </li>
        ))}
      </ul>
      {counts.length > 0 && others > 0 && <p class="quiet">{count(others, "paper")} without a topic.</p>}
    </>,
  );
}

/** `/receipts`: recent spending. */
export async function receipts(site: Site, c: Context): Promise<Response> {
  const latest = await site.papers.store.receipts.latest();
  return show(
    site,
    c,
    { title: "Receipts · Daily papers" },
    <>
      <h1>Receipts</h1>
      <p class="quiet">What was spent on these papers, the newest first; nothing left this machine.</p>
      {latest.length === 0 ? <Empty>Nothing has been spent yet.</Empty> : <Receipts receipts={latest} />}
    </>,
  );
}
