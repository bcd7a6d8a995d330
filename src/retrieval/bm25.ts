import { BLOCK, numbersOf, type PostingBlock, postingsIn } from "./postings.ts";
import { type Hit, Top } from "./top.ts";

/** BM25's parameters: the saturation of term counts (k1), and the weight of a chunk's length (b). */
const [K1, B] = [1.2, 0.75];

/** The size of an index. */
export interface Corpus {
  readonly chunks: number;
  /** The number of terms in all chunks. */
  readonly terms: number;
}

/** A term of the query, with its count in the query and its postings. */
export interface QueryTerm {
  readonly count: number;
  readonly blocks: readonly PostingBlock[];
}

export interface RankedHits {
  /** The hits, best first. */
  readonly hits: readonly Hit[];
  /** The number of postings scored. */
  readonly postings: number;
}

/** FLOPs per posting: two for the length factor, one sum, one product, one quotient, one sum. */
export const FLOPS_PER_POSTING = 6;

/**
 * Lucene's inverse document frequency, ln(1 + (N − df + ½) / (df + ½)): never negative, even for a term in every chunk.
 */
export const idf = (chunks: number, frequency: number): number =>
  Math.log1p((chunks - frequency + 0.5) / (frequency + 0.5));

/**
 * Ranks chunks with BM25 (Robertson and Zaragoza 2009): Σ idf · count · (k1 + 1) / (count + k1 · (1 − b + b · length /
 * mean length)), with k1 = 1.2 and b = 0.75. A term that occurs twice in the query counts twice.
 */
export function rankByBm25(query: readonly QueryTerm[], { chunks, terms }: Corpus, top: number): RankedHits {
  const perLength = chunks === 0 ? 0 : (K1 * B * chunks) / terms;
  const scores = new Map<number, Float64Array>();
  let postings = 0;
  for (const { count, blocks } of query) {
    const frequency = blocks.reduce((sum, block) => sum + postingsIn(block), 0);
    const weight = count * idf(chunks, frequency) * (K1 + 1);
    for (const { block, data } of blocks) addTo(scoresOf(scores, block), numbersOf(data), weight, perLength);
    postings += frequency;
  }
  return { hits: best(scores, top), postings };
}

function scoresOf(scores: Map<number, Float64Array>, block: number): Float64Array {
  const known = scores.get(block) ?? new Float64Array(BLOCK);
  scores.set(block, known);
  return known;
}

function addTo(scores: Float64Array, numbers: Uint32Array, weight: number, perLength: number): void {
  const base = K1 * (1 - B);
  for (let i = 0; i < numbers.length; i += 2) {
    const [posting, length] = [numbers[i]!, numbers[i + 1]!];
    const count = posting >>> 16;
    scores[posting & 0xffff]! += (weight * count) / (count + base + perLength * length);
  }
}

function best(scores: ReadonlyMap<number, Float64Array>, top: number): Hit[] {
  const best = new Top(top);
  for (const [block, values] of scores)
    for (let place = 0; place < BLOCK; place++) {
      const score = values[place]!;
      if (score > 0 && score >= best.least) best.offer({ chunk: block * BLOCK + place, score });
    }
  return best.sorted();
}
