/**
 * Recommends papers like a reader's saved ones, with a linear support vector machine on the papers' vectors, saved
 * against not saved, with balanced classes (as in arxiv-sanity-lite on tf-idf), solved in the dual by coordinate
 * descent (Hsieh et al. 2008, Algorithm 1, L2 loss).
 */

export interface Candidate {
  readonly id: string;
  /** A unit vector. */
  readonly vector: Float32Array;
}

export interface Recommendation {
  readonly id: string;
  readonly score: number;
  /** The saved papers that raise the score most, the largest share first. */
  readonly because: readonly string[];
}

/** The minimum number of saved papers, and of unsaved papers, that says something about a reader. */
export const FEWEST = 3;

const C = 0.1;
const PASSES = 20;
/** The maximum number of unsaved papers for training; if there are more, every n-th is used. */
const OTHERS = 2000;
const REASONS = 2;

/** The `top` papers that are not saved, best first; undefined if there is too little data. */
export function recommend(
  papers: readonly Candidate[],
  saved: ReadonlySet<string>,
  top: number,
): Recommendation[] | undefined {
  const liked = papers.filter(({ id }) => saved.has(id));
  const others = papers.filter(({ id }) => !saved.has(id));
  if (liked.length < FEWEST || others.length < FEWEST) return undefined;
  const { weights, alphas } = separate(liked, thinned(others));
  return others
    .map(({ id, vector }) => ({ id, vector, score: dot(weights, vector) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, top)
    .map(({ id, vector, score }) => ({ id, score, because: reasons(liked, alphas, vector) }));
}

const thinned = (others: readonly Candidate[]): Candidate[] => {
  const every = Math.ceil(others.length / OTHERS);
  return others.filter((_, i) => i % every === 0);
};

/** The saved papers behind a score. Weights are the sum of vectors times ±alpha, so each paper's share is exact. */
function reasons(liked: readonly Candidate[], alphas: Float64Array, vector: Float32Array): string[] {
  return liked
    .map(({ id, vector: mine }, i) => ({ id, share: alphas[i]! * dot(mine, vector) }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share)
    .slice(0, REASONS)
    .map(({ id }) => id);
}

interface Separation {
  readonly weights: Float64Array;
  /** One weight per paper: first the saved papers, then the unsaved ones. */
  readonly alphas: Float64Array;
}

function separate(liked: readonly Candidate[], others: readonly Candidate[]): Separation {
  const [all, count] = [[...liked, ...others], liked.length + others.length];
  const weights = new Float64Array(all[0]!.vector.length);
  const alphas = new Float64Array(count);
  const cost = (i: number) => (C * count) / (2 * (i < liked.length ? liked.length : others.length));
  for (let pass = 0; pass < PASSES; pass++)
    for (const [i, { vector }] of all.entries()) {
      const [side, ease] = [i < liked.length ? 1 : -1, 1 / (2 * cost(i))];
      const gradient = side * dot(weights, vector) - 1 + ease * alphas[i]!;
      const next = Math.max(0, alphas[i]! - gradient / (dot(vector, vector) + ease));
      addTo(weights, vector, side * (next - alphas[i]!));
      alphas[i] = next;
    }
  return { weights, alphas };
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addTo(weights: Float64Array, vector: Float32Array, by: number): void {
  for (let i = 0; by !== 0 && i < weights.length; i++) weights[i]! += by * vector[i]!;
}
