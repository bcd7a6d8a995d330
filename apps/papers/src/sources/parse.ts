import { UserError } from "modicum";
import { parseAtom } from "./arxiv-atom.ts";
import { parseRss } from "./arxiv-rss.ts";
import { parseHuggingFace } from "./hugging-face.ts";
import { parsed, parseJsonLines } from "./jsonl.ts";
import { parseSavedPage } from "./saved-page.ts";
import type { Parsed, ParseOptions } from "./source.ts";
import { elements, parseXml } from "./xml.ts";

/** The largest source, in bytes. */
export const LARGEST = 50_000_000;

/** Reads a source's papers, detecting its format from its contents. @throws UserError for an unknown format */
export function parseSource(text: string, options: ParseOptions = {}): Parsed {
  const bare = text.replace(/^\ufeff/, "").trimStart();
  if (bare === "") throw new UserError("it is empty");
  if (/^<(!doctype )?html/i.test(bare))
    throw new UserError("this is a web page; expected its text, or a feed: in a browser, select all and copy");
  if (bare.startsWith("<")) return feed(bare);
  if (bare.startsWith("[")) return parseHuggingFace(parsed(bare) as unknown[]);
  if (bare.startsWith("{")) return parseJsonLines(text);
  const page = parseSavedPage(text, options);
  if (page.papers.length + page.faults.length > 0) return page;
  throw new UserError(
    "there are no papers in it; expected a saved page of daily papers, JSON lines, Hugging Face's JSON, Atom or RSS",
  );
}

function feed(text: string): Parsed {
  const root = parseXml(text);
  const [atom, rss] = [elements(root, "feed")[0], elements(root, "rss")[0]];
  if (atom) return parseAtom(atom);
  if (rss) return parseRss(rss);
  throw new UserError(`expected an Atom or RSS feed, got <${Object.keys(root).find((name) => name !== "?xml")}>`);
}
