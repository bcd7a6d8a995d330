import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExitsFile } from "../../src/index.ts";
import { corpusOf } from "../../src/train/methods/exit-heads/corpus.ts";
import { exitTrainOptions } from "../../src/train/methods/exit-heads/options.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import type { Tokenizer } from "../../src/weights/tokenizer/index.ts";
import { root } from "../../tools/section.ts";

export interface FreshTerms {
  /** The texts of the exits' training, and how many of their tokens it read. */
  readonly texts: readonly string[];
  readonly tokens: number;
  /** Texts of the same kind that it was not given. */
  readonly more?: readonly string[];
  /** The number of lines per document, at a random place of a text; absent: the whole text. */
  readonly lines?: number | undefined;
}

/**
 * Documents that the training of a model's shipped dynamax exits did not read, in a random order. @throws if its corpus, made again,
 * is not the one in exits.json
 */
export function freshDocuments(
  model: string,
  tokenizer: Tokenizer,
  { texts, tokens, more = [], lines }: FreshTerms,
): string[] {
  const file = join(root, "models", model, "dynamax", "exits.json");
  const { data }: ExitsFile = JSON.parse(readFileSync(file, "utf8"));
  const { block, seed } = exitTrainOptions.parse({});
  const { sha256, unread } = corpusOf(texts, tokenizer, { tokens, block, seed });
  if (sha256 !== data.sha256) throw new Error(`${file} was trained on other texts, with hash ${data.sha256}`);
  const fresh = new Set(unread);
  const read = new Set(texts.filter((text) => !fresh.has(text)));
  const random = seededRandom(0);
  const documents = [...new Set([...unread, ...more])]
    .filter((text) => !read.has(text))
    .map((text) => (lines === undefined ? text : stretchOf(text, lines, random)));
  return shuffle(documents, random);
}

function stretchOf(text: string, length: number, random: () => number): string {
  const all = text.split("\n");
  const from = Math.floor(random() * Math.max(1, all.length - length + 1));
  return all.slice(from, from + length).join("\n");
}
