import { type Candidates, keep } from "./candidates.ts";
import { BOTTOM, decay, STEP } from "./softmax.ts";

// Every filter keeps the first candidates, sorted by descending logit (ties by ascending id). A histogram over depth
// finds the bucket at which they end, so only the bucket's few tokens need sorting.
const buckets = new Float64Array(BOTTOM);

/** Counts the candidates by depth, except those that no draw can reach. */
function fillCounts({ logits, count, max, scale }: Candidates): void {
  buckets.fill(0);
  for (let i = 0; i < count; i++) {
    const depth = (max - logits[i]!) * scale;
    if (depth < BOTTOM) buckets[depth | 0]! += 1;
  }
}

/** Sums the candidates' weights by depth. */
function fillWeights({ logits, count, max, scale }: Candidates): void {
  buckets.fill(0);
  for (let i = 0; i < count; i++) {
    const depth = (max - logits[i]!) * scale;
    if (depth < BOTTOM) buckets[depth | 0]! += decay(depth);
  }
}

/** The sum of the buckets, added in `head`'s order, so that `head` with this target ends at the last bucket in use. */
function filled(): number {
  let sum = 0;
  for (let i = 0; i < BOTTOM; i++) sum += buckets[i]!;
  return sum;
}

/** Indices of the candidates in `bucket`, highest logit first; ties go to the lower id. */
function placesIn({ logits, count, max, scale }: Candidates, bucket: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < count; i++) if ((((max - logits[i]!) * scale) | 0) === bucket) places.push(i);
  return places.sort((a, b) => logits[b]! - logits[a]!);
}

/** The fewest top candidates whose `measure`, summed over the buckets, reaches `target`, which is at most `filled()`. */
function head(c: Candidates, target: number, measure: (depth: number) => number): Candidates {
  let bucket = 0;
  let sum = 0;
  while (bucket < BOTTOM - 1 && sum + buckets[bucket]! < target) sum += buckets[bucket++]!;
  const near = keep(c, c.max - (bucket + 1.5) / c.scale, Infinity);
  const places = placesIn(near, bucket);
  // The last place needs no check: a bucket's weights were summed in a different order, so the last bits might fall
  // short.
  const end = places.slice(0, -1).find((place) => {
    sum += measure((c.max - near.logits[place]!) * c.scale);
    return sum >= target;
  });
  const last = end ?? places.at(-1)!;
  return keep(near, near.logits[last]!, near.ids[last]!);
}

/** The k likeliest candidates, or all if k is 0; ties go to the lower id. */
export function topK(c: Candidates, k: number): Candidates {
  if (k === 0 || k >= c.count) return c;
  fillCounts(c);
  // If at most k candidates can be drawn, keeping the others changes nothing.
  return k >= filled() ? c : head(c, k, () => 1);
}

/**
 * Nucleus sampling (Holtzman et al. 2020): the fewest candidates, likeliest first, whose probabilities sum to at least `p`;
 * always at least one.
 */
export function topP(c: Candidates, p: number): Candidates {
  if (p === 1) return c;
  fillWeights(c);
  return head(c, p * filled(), decay);
}

/** Min-p sampling (Nguyen et al. 2024): the candidates at least `p` times as likely as the likeliest. */
export function minP(c: Candidates, p: number): Candidates {
  return p === 0 ? c : keep(c, c.max + Math.log(p) / (STEP * c.scale), Infinity);
}
