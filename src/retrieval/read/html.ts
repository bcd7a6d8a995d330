import { textOf } from "../../util/data/bytes.ts";
import type { Document } from "../document.ts";
import { wholeFile } from "./text.ts";

/** Elements without text. */
const SILENT = "script, style, noscript, template, svg, head";
/** Elements that begin a paragraph. */
const BLOCKS =
  "address, article, aside, blockquote, dd, details, div, dl, dt, figcaption, figure, footer, form, h1, h2, h3, h4, " +
  "h5, h6, header, hr, li, main, nav, ol, p, pre, section, table, tr, ul";

/**
 * Reads an HTML page as a document. Its title is the page's title, or else the first heading of level 1; each block
 * becomes a paragraph of its text.
 */
export async function* htmlDocument(path: string): AsyncGenerator<Document> {
  yield wholeFile(path, await htmlParts(await textOf(path)));
}

const oneLine = (element: { readonly textContent: string | null } | null): string =>
  (element?.textContent ?? "").replace(/\s+/g, " ").trim();

async function htmlParts(html: string): Promise<{ title: string; text: string }> {
  const { parseHTML } = await import("linkedom");
  // linkedom does not add a missing body.
  const { document } = parseHTML(/<body[\s>]/i.test(html) ? html : `<html><body>${html}</body></html>`);
  const title = oneLine(document.querySelector("title")) || oneLine(document.querySelector("h1"));
  for (const silent of document.querySelectorAll(SILENT)) silent.remove();
  for (const cell of document.querySelectorAll("td, th")) cell.append(" ");
  for (const line of document.querySelectorAll("br")) line.replaceWith("\n");
  for (const block of document.querySelectorAll(BLOCKS)) {
    block.before("\n\n");
    block.append("\n\n");
  }
  const text = document.body?.textContent ?? "";
  return { title, text: text.replace(/\n\s*\n\s*/g, "\n\n").trim() };
}
