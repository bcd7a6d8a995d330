/** Atom feeds (RFC 4287). */
import type { Paper } from "../src/paper.ts";

export interface Feed {
  readonly title: string;
  /** The feed's own address. */
  readonly self: string;
  /** The page with the same contents as the feed. */
  readonly page: string;
  readonly entries: readonly Entry[];
}

export interface Entry extends Pick<Paper, "title" | "abstract" | "authors"> {
  /** The paper's page. */
  readonly page: string;
  /** The time of the last change, in RFC 3339 format. */
  readonly updated: string;
}

const marks: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML forbids, with halves of surrogate pairs
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu;

const xml = (text: string): string => text.replace(forbidden, "\ufffd").replace(/[&<>"]/g, (mark) => marks[mark]!);

/** Writes a feed. A feed without entries has the epoch as its date, since the format requires a date. */
export const atom = ({ title, self, page, entries }: Feed): string => `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<title>${xml(title)}</title>
<id>${xml(self)}</id>
<link rel="self" href="${xml(self)}"/>
<link rel="alternate" type="text/html" href="${xml(page)}"/>
<updated>${newest(entries)}</updated>
${entries.map(entry).join("")}</feed>
`;

const newest = (entries: readonly Entry[]): string =>
  entries
    .map(({ updated }) => updated)
    .sort()
    .at(-1) ?? "1970-01-01T00:00:00Z";

const entry = ({ title, abstract, authors, page, updated }: Entry): string => `<entry>
<title>${xml(title)}</title>
<id>${xml(page)}</id>
<link rel="alternate" type="text/html" href="${xml(page)}"/>
<updated>${updated}</updated>
${authorsOf(authors)}<summary>${xml(abstract)}</summary>
</entry>
`;

/** An entry needs an author, even if none is known. */
const authorsOf = (authors: readonly string[] | null): string =>
  (authors?.length ? authors : ["unknown"]).map((name) => `<author><name>${xml(name)}</name></author>\n`).join("");
