import { createHash } from "node:crypto";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { seededRandom, shuffle } from "../../../util/random.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { checkedLines } from "../../data/checked-lines.ts";
import { isJsonLines, readText } from "../../data/files.ts";

/**
 * Parts of the corpus: heads and classifiers train on the first, temperatures are fitted on the second, and quality is
 * measured on the third.
 */
export const parts = ["training", "calibration", "test"] as const;
export type Part = (typeof parts)[number];

const SHARES: Readonly<Record<Part, number>> = { training: 0.7, calibration: 0.15, test: 0.15 };

/** Texts as rows of tokens; whole documents are assigned to parts. */
export interface Corpus {
  readonly sha256: string;
  readonly block: number;
  /** Rows of `block` tokens and the token after them; each part's rows are adjacent, in the order of `parts`. */
  readonly blocks: readonly Int32Array[];
  /** The range of each part's rows, start inclusive, end exclusive. */
  readonly ranges: Readonly<Record<Part, readonly [from: number, to: number]>>;
}

type TextEncoder = Pick<Tokenizer, "encode" | "addBos" | "bos" | "eos">;

const line = z.looseObject({ text: z.string() });

/**
 * Reads documents: the `text` of each line of a JSON Lines file, or the whole of any other file.
 * @throws UserError if a file cannot be read, is not text, or a line has no text
 */
export const documentsOf = (files: readonly string[]): string[] =>
  files.flatMap((file) => (isJsonLines(file) ? linesOf(file) : [readText(file)])).filter((text) => text.trim() !== "");

const linesOf = (file: string): string[] => checkedLines(file, line).map(({ text }) => text);

/** A corpus, and the documents that its token limit excluded. */
export interface ReadCorpus extends Corpus {
  readonly unread: readonly string[];
}

/**
 * Splits documents into rows, most of them for training. With at least three documents, no document is in two parts. An
 * end token separates the documents of a part.
 * @throws UserError if the texts do not fill a row of each part
 */
export function corpusOf(
  documents: readonly string[],
  tokenizer: TextEncoder,
  { tokens, block, seed }: { tokens: number; block: number; seed: number },
): ReadCorpus {
  const mixed = shuffle([...documents], seededRandom(seed));
  const encoded = limited(mixed, tokenizer, tokens);
  const split = divided(encoded);
  const rows = parts.map((part) => rowsOf(split[part], block));
  for (const [i, part] of parts.entries())
    if (rows[i]!.length === 0)
      throw new UserError(`too little data: expected at least ${block + 1} tokens for ${part}`);
  const starts = rows.map((_, i) => rows.slice(0, i).reduce((sum, { length }) => sum + length, 0));
  const ranges = Object.fromEntries(
    parts.map((part, i) => [part, [starts[i]!, starts[i]! + rows[i]!.length] as const]),
  );
  const blocks = rows.flat();
  const unread = mixed.slice(encoded.length);
  return { sha256: hashOf(blocks), block, blocks, ranges: ranges as Corpus["ranges"], unread };
}

/** The maximum share of the tokens that a single document may take, if there are enough documents. */
const LARGEST = 0.1;

/** Takes up to `most` tokens from documents. Cuts the last document, and very long ones if there are many documents. */
function limited(documents: readonly string[], tokenizer: TextEncoder, most: number): number[][] {
  const { addBos, bos, eos } = tokenizer;
  const [before, behind] = [addBos && bos !== undefined ? [bos] : [], eos === undefined ? [] : [eos]];
  const all: number[][] = [];
  const longest = documents.length * LARGEST < 1 ? most : Math.ceil(LARGEST * most);
  for (let remaining = most, i = 0; remaining > 0 && i < documents.length; i++) {
    const ids = [...before, ...tokenizer.encode(documents[i]!), ...behind].slice(0, Math.min(remaining, longest));
    remaining -= ids.length;
    all.push(ids);
  }
  return all;
}

/**
 * Assigns each document to the part that is furthest below its share; splits documents instead if there are fewer than
 * three, and holds out their ends.
 */
function divided(documents: readonly number[][]): Record<Part, number[]> {
  const split: Record<Part, number[]> = { training: [], calibration: [], test: [] };
  const add = (part: Part, ids: readonly number[]) => {
    for (const id of ids) split[part].push(id);
  };
  const full = (part: Part) => split[part].length / SHARES[part];
  for (const ids of documents)
    if (documents.length < parts.length) for (const part of parts) add(part, endOf(part, ids));
    else add(parts.toSorted((a, b) => full(a) - full(b))[0]!, ids);
  return split;
}

/** The section of one document that belongs to a part. */
function endOf(part: Part, ids: readonly number[]): readonly number[] {
  const before = parts.slice(0, parts.indexOf(part)).reduce((sum, other) => sum + SHARES[other], 0);
  return ids.slice(Math.floor(before * ids.length), Math.floor((before + SHARES[part]) * ids.length));
}

const rowsOf = (ids: readonly number[], block: number): Int32Array[] =>
  Array.from({ length: Math.floor((ids.length - 1) / block) }, (_, i) =>
    Int32Array.from(ids.slice(i * block, (i + 1) * block + 1)),
  );

function hashOf(blocks: readonly Int32Array[]): string {
  const hash = createHash("sha256");
  for (const block of blocks) hash.update(new Uint8Array(block.buffer));
  return hash.digest("hex");
}

/** The most frequent tokens of the training part, at most `most`, ascending. */
export function frequentTokens({ blocks, ranges }: Corpus, most: number): number[] {
  const counts = new Map<number, number>();
  for (const block of blocks.slice(...ranges.training))
    for (const id of block) counts.set(id, (counts.get(id) ?? 0) + 1);
  const order = [...counts].sort(([a, first], [b, second]) => second - first || a - b);
  return order
    .slice(0, most)
    .map(([id]) => id)
    .sort((a, b) => a - b);
}
