import type { Context } from "hono";
import { UserError } from "modicum";
import type { Paper } from "../../src/paper.ts";
import { paperPath } from "../format.ts";
import { marksOf } from "../marks.ts";
import { PaperPage } from "../paper-page.tsx";
import { refusal } from "../refusal.ts";
import { pathOf, readerOf, type Site, show } from "../site.ts";

const SIMILAR = 5;
const DESCRIPTION = 300;

/** The paper at an address. @throws HTTPException 404 */
export async function paperAt({ papers }: Site, c: Context): Promise<Paper> {
  const paper = await papers.store.papers.get(c.req.param("id") ?? "");
  if (!paper) throw refusal(404, "there is no paper at this address");
  return paper;
}

/** `/papers/ID`; an old address leads to the new one. */
export async function paper(site: Site, c: Context): Promise<Response> {
  const { store } = site.papers;
  const found = await paperAt(site, c);
  if (found.id !== c.req.param("id")) return c.redirect(paperPath(found.id), 301);
  const { papers, missing } = await similarTo(site, found);
  const { title, abstract, published } = found;
  return show(
    site,
    c,
    { title, about: { type: "article", description: shortened(abstract), published: published ?? undefined } },
    <PaperPage
      paper={found}
      marks={await marksOf(store, await readerOf(site, c), pathOf(c))}
      similar={papers}
      missing={missing}
      receipts={await store.receipts.of(found.id)}
    />,
  );
}

async function similarTo({ papers }: Site, { id }: Paper): Promise<{ papers: readonly Paper[]; missing?: string }> {
  try {
    const found = await papers.similar(id, SIMILAR);
    if (!found) return { papers: [], missing: "Similar papers are off: there is no embedding model." };
    return { papers: found.results.map(({ paper }) => paper) };
  } catch (error) {
    if (error instanceof UserError) return { papers: [], missing: `Similar papers are missing: ${error.message}.` };
    throw error;
  }
}

const shortened = (text: string): string => (text.length <= DESCRIPTION ? text : `${text.slice(0, DESCRIPTION - 1)}…`);
