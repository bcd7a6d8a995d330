import { UserError } from "modicum";
import { arxivId } from "../identity.ts";
import type { Day, PaperInput } from "../paper.ts";
import { Entries, oneLine, type Parsed } from "./source.ts";
import { type Element, elements, textOf } from "./xml.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The day of a time such as `Thu, 20 Mar 2025 00:00:00 -0400`, in its own time zone; null for another text. */
function dayOf(time: string): Day | null {
  const [, day, month, year] = /(\d{1,2}) ([A-Z][a-z]{2}) (\d{4})/.exec(time) ?? [];
  const number = MONTHS.indexOf(month ?? "") + 1;
  return number === 0 ? null : `${year}-${String(number).padStart(2, "0")}-${day!.padStart(2, "0")}`;
}

/**
 * Reads arXiv's RSS (info.arxiv.org/help/rss.html; not checked live). The feed lists new papers, and new versions of
 * old ones, which do not count as listed. The feed does not give the day of publication.
 */
export function parseRss(rss: Element): Parsed {
  const found = new Entries();
  const [channel] = elements(rss, "channel");
  for (const [i, item] of elements(channel, "item").entries())
    found.add(`item ${i + 1}`, () => inputOf(item, textOf(channel, "pubDate")));
  return found;
}

function inputOf(item: Element, usual: string): PaperInput {
  const link = elements(item, "link")[0]?.["#text"];
  const arxiv = arxivId(textOf(item, "guid")) ?? arxivId(String(link ?? ""));
  if (arxiv === null)
    throw new UserError(`expected an arXiv address as link, got "${String(link ?? "").slice(0, 80)}"`);
  const authors = textOf(item, "dc:creator")
    .split(",")
    .flatMap((name) => oneLine(name) || []);
  const isNew = !textOf(item, "arxiv:announce_type").startsWith("replace");
  return {
    ...{ arxiv, title: oneLine(textOf(item, "title")), abstract: abstractOf(textOf(item, "description")) },
    ...(authors.length > 0 && { authors, authorCount: authors.length }),
    listed: isNew ? dayOf(textOf(item, "pubDate") || usual) : null,
    links: [`https://arxiv.org/abs/${arxiv}`],
    categories: elements(item, "category").flatMap((category) => oneLine(String(category["#text"] ?? "")) || []),
  };
}

/** The description without its head, `arXiv:… Announce Type: new Abstract:`, and without markup. */
const abstractOf = (description: string): string =>
  oneLine(description.replace(/^[\s\S]*?\bAbstract:/, "").replace(/<\/?[a-z][^>]*>/gi, " "));
