import { type Candidates, keep } from "./candidates.ts";
import { BOTTOM, decay, STEP } from "./softmax.ts";

// Every filter keeps a head of the list that sorting by falling logit (equals: by rising id) would give. A histogram
// over depth finds the bucket where that head ends, so only the bucket's few tokens need sorting.
const buckets = new Float64Array(BOTTOM);

/** Counts the candidates by depth, except for those that no draw can reach. */
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

/** Sum of the buckets, in the order in which `head` walks: a target of all of it ends at the last bucket that holds a token. */
function filled(): number {
  let sum = 0;
  for (let i = 0; i < BOTTOM; i++) sum += buckets[i]!;
  return sum;
}

/** Places of the candidates in `bucket`, highest logit first, of equals the lower id first. */
function placesIn({ logits, count, max, scale }: Candidates, bucket: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < count; i++) if ((((max - logits[i]!) * scale) | 0) === bucket) places.push(i);
  return places.sort((a, b) => logits[b]! - logits[a]!);
}

/**
 * The shortest head of the candidates whose `measure`, as in the filled buckets, sums to `target`, which is at most
 * `filled()`.
 */
function head(c: Candidates, target: number, measure: (depth: number) => number): Candidates {
  let bucket = 0;
  let sum = 0;
  while (bucket < BOTTOM - 1 && sum + buckets[bucket]! < target) sum += buckets[bucket++]!;
  const near = keep(c, c.max - (bucket + 1.5) / c.scale, Infinity);
  const places = placesIn(near, bucket);
  // The last needs no look: a bucket's weights were first summed in another order, so that the last bits might fall short.
  const end = places.slice(0, -1).find((place) => {
    sum += measure((c.max - near.logits[place]!) * c.scale);
    return sum >= target;
  });
  const last = end ?? places.at(-1)!;
  return keep(near, near.logits[last]!, near.ids[last]!);
}

/** The k likeliest candidates, of equals the lower ids; 0 keeps all. */
export function topK(c: Candidates, k: number): Candidates {
  if (k === 0 || k >= c.count) return c;
  fillCounts(c);
  // When no more than k can be drawn at all, the rest does no harm.
  return k >= filled() ? c : head(c, k, () => 1);
}

/** Nucleus sampling (Holtzman et al. 2020): the fewest candidates, likeliest first, whose probabilities sum to at least `p`; always one. */
export function topP(c: Candidates, p: number): Candidates {
  if (p === 1) return c;
  fillWeights(c);
  return head(c, p * filled(), decay);
}

/** Min-p sampling (Nguyen et al. 2024): the candidates at least `p` times as likely as the likeliest. */
export function minP(c: Candidates, p: number): Candidates {
  return p === 0 ? c : keep(c, c.max + Math.log(p) / (STEP * c.scale), Infinity);
}
