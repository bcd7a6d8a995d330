import { z } from "zod";
import { type Span, wordSpans } from "./words.ts";

/** Options for cutting texts into chunks. */
export const chunkOptions = z.strictObject({
  words: z.int().min(1).max(100_000).default(150).describe("maximum words of a chunk"),
  overlap: z
    .int()
    .min(0)
    .default(25)
    .describe("maximum words repeated from the previous chunk, in whole sentences; less than half of a chunk"),
});
export type ChunkOptions = z.output<typeof chunkOptions>;

interface Piece extends Span {
  readonly words: number;
}

const sentences = new Intl.Segmenter("en", { granularity: "sentence" });

/**
 * Cuts a text into chunks of at most `words` words. A chunk ends at a paragraph's end if that leaves it at least half
 * full, else at a sentence's end; only a sentence longer than a chunk is cut. Every chunk is a substring of the text.
 */
export function chunksOf(text: string, { words, overlap }: ChunkOptions): string[] {
  const paragraphs = paragraphsOf(text);
  const pieces = paragraphs.map((paragraph) => piecesOf(text, paragraph, words));
  const ends = new Set(pieces.flatMap((all) => all.at(-1)?.end ?? []));
  return packed(pieces.flat(), ends, words, Math.min(overlap, Math.floor((words - 1) / 2))).map(({ start, end }) =>
    text.slice(start, end),
  );
}

/** Empty lines separate paragraphs. */
function paragraphsOf(text: string): Span[] {
  const breaks = [...text.matchAll(/\n[^\S\n]*\n\s*/g)];
  const starts = [0, ...breaks.map(({ 0: found, index }) => index + found.length)];
  return starts.map((start, i) => ({ start, end: breaks[i]?.index ?? text.length }));
}

/** The sentences of a part of a text, without surrounding space; long sentences in pieces. */
function piecesOf(text: string, { start: from, end }: Span, most: number): Piece[] {
  return [...sentences.segment(text.slice(from, end))].flatMap(({ segment, index }) => {
    const places = wordSpans(segment);
    const pieces: Piece[] = [];
    for (let i = 0; i < places.length; i += most) {
      const last = Math.min(i + most, places.length) - 1;
      const start = from + index + places[i]!.start;
      pieces.push({ start, end: from + index + places[last]!.end, words: last - i + 1 });
    }
    return pieces;
  });
}

/** Packs pieces into chunks, in order. `ends`: the positions where paragraphs end. */
function packed(pieces: readonly Piece[], ends: ReadonlySet<number>, most: number, overlap: number): Span[] {
  const chunks: Span[] = [];
  for (let first = 0; first < pieces.length; ) {
    const last = lastOf(pieces, first, ends, most);
    chunks.push({ start: pieces[first]!.start, end: pieces[last]!.end });
    if (last === pieces.length - 1) break;
    first = firstOf(pieces, first, last, most, overlap);
  }
  return chunks;
}

/** The last piece of the chunk that begins with `first`. */
function lastOf(pieces: readonly Piece[], first: number, ends: ReadonlySet<number>, most: number): number {
  let words = 0;
  let last = first;
  let paragraph: number | undefined;
  for (let i = first; i < pieces.length; i++) {
    words += pieces[i]!.words;
    if (words > most) return paragraph ?? last;
    last = i;
    if (ends.has(pieces[i]!.end) && 2 * words >= most) paragraph = i;
  }
  return last;
}

/**
 * The first piece of the next chunk: it repeats as many whole pieces as fit into the overlap and leave room for a new
 * one.
 */
function firstOf(pieces: readonly Piece[], first: number, last: number, most: number, overlap: number): number {
  const room = Math.min(overlap, most - pieces[last + 1]!.words);
  let next = last + 1;
  for (let words = pieces[last]!.words; next - 1 > first && words <= room; words += pieces[next - 1]!.words) next--;
  return next;
}
