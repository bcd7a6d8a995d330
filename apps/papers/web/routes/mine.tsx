import type { Context } from "hono";
import { UserError } from "modicum";
import { Empty, List } from "../feed-page.tsx";
import { ForYouPage, type Recommended } from "../for-you-page.tsx";
import { count } from "../format.ts";
import { type Marks, marksOf } from "../marks.ts";
import { type Recommendation, recommend } from "../recommend.ts";
import { pathOf, readerOf, type Site, show } from "../site.ts";

const SHOWN = 20;
/** The maximum number of papers in a ranking, from which read papers are then left out. */
const RANKED = 200;

/** `/saved`: the reader's saved papers, newest first. */
export async function saved(site: Site, c: Context): Promise<Response> {
  const { store } = site.papers;
  const marks = await marksOf(store, await readerOf(site, c), pathOf(c));
  const papers = await store.papers.many(marks.having("save"));
  return show(
    site,
    c,
    { title: "Saved · Daily papers", here: "saved" },
    <>
      <h1>Saved</h1>
      {papers.length === 0 ? (
        <Empty>
          You saved nothing yet. What you save stays on this server, under a cookie of this browser or your account.
        </Empty>
      ) : (
        <p class="quiet">{count(papers.length, "paper")}</p>
      )}
      <List papers={papers} marks={marks} links={{}} />
    </>,
  );
}

/** `/for-you`: papers like the saved ones, each with the reason. */
export async function forYou(site: Site, c: Context): Promise<Response> {
  const marks = await marksOf(site.papers.store, await readerOf(site, c), pathOf(c));
  const likes = marks.having("save");
  const { recommended, missing } = await recommendedFor(site, likes, marks);
  return show(
    site,
    c,
    { title: "For you · Daily papers", here: "for-you" },
    <ForYouPage {...{ recommended, missing, marks }} saved={likes.length} />,
  );
}

interface Outcome {
  readonly recommended: readonly Recommended[] | undefined;
  readonly missing?: string;
}

async function recommendedFor(site: Site, likes: readonly string[], marks: Marks): Promise<Outcome> {
  try {
    const ranked = await rankedFor(site, likes);
    if (!ranked) return { recommended: undefined };
    const shown = ranked.filter((one) => !marks.of(one).has("read")).slice(0, SHOWN);
    return { recommended: await withPapers(site, shown) };
  } catch (error) {
    if (error instanceof UserError)
      return { recommended: undefined, missing: `Recommendations are off: ${error.message}.` };
    throw error;
  }
}

/** The ranking for a set of saved papers, recomputed when the number of papers changes. */
async function rankedFor({ papers, recommendations }: Site, likes: readonly string[]) {
  const key = JSON.stringify([await papers.store.papers.count(), likes.toSorted()]);
  return recommendations.of(key, async () => {
    const vectors = await papers.vectorsOf(await papers.store.papers.ids());
    const candidates = [...vectors].map(([id, vector]) => ({ id, vector }));
    return recommend(candidates, new Set(likes), RANKED);
  });
}

async function withPapers({ papers }: Site, ranked: readonly Recommendation[]): Promise<Recommended[]> {
  const needed = await papers.store.papers.many([...new Set(ranked.flatMap(({ id, because }) => [id, ...because]))]);
  const byId = new Map(needed.map((paper) => [paper.id, paper]));
  const known = (ids: readonly string[]) => ids.flatMap((id) => byId.get(id) ?? []);
  return ranked.flatMap(({ id, because }) => known([id]).map((paper) => ({ paper, because: known(because) })));
}
