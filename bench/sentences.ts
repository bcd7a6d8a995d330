import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom, shuffle } from "../src/util/random.ts";

const root = join(import.meta.dirname, "..");
const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });
/** The minimum words of a sentence; shorter lines are headings. */
const LEAST_WORDS = 4;

/** `count` English sentences in random order, from the project's documents and comments. */
export function realSentences(count: number): string[] {
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const pages = ["README.md", "LICENSE", ...docs.map((name) => join("docs", name))].flatMap((name) =>
    proseOf(read(name)),
  );
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((f) =>
    f.endsWith(".ts"),
  );
  const comments = sources.toSorted().flatMap((name) => commentsOf(read(join("src", name))));
  const sentences = new Set([...pages, ...comments].flatMap(sentencesOf));
  if (sentences.size < count) throw new Error(`the texts have ${sentences.size} sentences, but ${count} are needed`);
  return shuffle([...sentences].slice(0, count), seededRandom(1));
}

const read = (name: string): string => readFileSync(join(root, name), "utf8");

/** Paragraphs of a document, without code and tables. */
const proseOf = (text: string): string[] =>
  text
    .replace(/```[\s\S]*?```/g, "")
    .split(/\n\s*\n/)
    .filter((paragraph) => !/^\s*\|/.test(paragraph));

const commentsOf = (source: string): string[] =>
  Array.from(source.matchAll(/\/\*\*([\s\S]*?)\*\//g), ([, text]) => text!.replace(/^\s*\*/gm, ""));

const sentencesOf = (text: string): string[] =>
  Array.from(segmenter.segment(text.replace(/\s+/g, " ")), ({ segment }) => segment.trim()).filter(
    (sentence) => sentence.split(" ").length >= LEAST_WORDS,
  );
