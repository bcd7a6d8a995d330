import { textOf } from "../../util/data/bytes.ts";
import type { Document } from "../document.ts";
import { wholeFile } from "./text.ts";

/** Reads a Markdown file as a document. Its title comes from the front matter, or else the first heading of level 1. */
export async function* markdownDocument(path: string): AsyncGenerator<Document> {
  yield wholeFile(path, markdownParts(await textOf(path)));
}

/** Fenced code, whose comments are not headings; an unclosed fence reaches to the end. */
const FENCED = /^ {0,3}(`{3,}|~{3,})[\s\S]*?(?:^ {0,3}\1|$(?![\s\S]))/gm;

/** Splits a file into title and text. The text keeps its markup, but not its front matter or title heading. */
function markdownParts(markdown: string): { title: string; text: string } {
  const [, front = "", body = ""] = /^(?:\ufeff)?(?:---\r?\n([\s\S]*?)\r?\n---(?:\r?\n|$))?([\s\S]*)$/.exec(markdown)!;
  const named = /^title:\s*(.*\S)\s*$/m.exec(front)?.[1]?.replace(/^(["'])(.*)\1$/, "$2");
  if (named !== undefined) return { title: named, text: body };
  const prose = body.replace(FENCED, (code) => " ".repeat(code.length));
  const heading = /^#[^\S\n]+(.*\S)[^\S\n]*$/m.exec(prose);
  if (!heading) return { title: "", text: body };
  const end = heading.index + heading[0].length;
  return { title: heading[1]!, text: body.slice(0, heading.index) + body.slice(end) };
}
