import { UserError } from "modicum";
import { arxivId } from "../identity.ts";
import type { Day, PaperInput } from "../paper.ts";
import { Entries, oneLine, type Parsed } from "./source.ts";
import { attribute, type Element, elements, textOf } from "./xml.ts";

/** The day of a time such as `2025-03-20T17:59:58Z`; null for other texts. */
const dayOf = (time: string): Day | null => /^\d{4}-\d\d-\d\dT/.exec(time)?.[0].slice(0, 10) ?? null;

/**
 * Reads a response of arXiv's API (info.arxiv.org/help/api/user-manual.html; not checked live). A paper counts as
 * listed on the day of its first version.
 */
export function parseAtom(feed: Element): Parsed {
  const found = new Entries();
  for (const [i, entry] of elements(feed, "entry").entries()) found.add(`entry ${i + 1}`, () => inputOf(entry));
  return found;
}

function inputOf(entry: Element): PaperInput {
  const id = textOf(entry, "id");
  if (id.includes("/api/errors")) throw new UserError(`arXiv says: ${oneLine(textOf(entry, "summary"))}`);
  const arxiv = arxivId(id);
  if (arxiv === null) throw new UserError(`expected an arXiv address as id, got "${id.slice(0, 80)}"`);
  const authors = elements(entry, "author").flatMap((author) => oneLine(textOf(author, "name")) || []);
  const published = dayOf(textOf(entry, "published"));
  return {
    ...{ arxiv, title: oneLine(textOf(entry, "title")), abstract: oneLine(textOf(entry, "summary")) },
    ...(authors.length > 0 && { authors, authorCount: authors.length }),
    ...{ published, listed: published },
    links: [`https://arxiv.org/abs/${arxiv}`],
    categories: elements(entry, "category").flatMap((category) => attribute(category, "term") || []),
  };
}
