import { seededRandom } from "../../../src/util/random.ts";

/** Positions of texts with their exits' outcomes. Arrays are indexed by exit, then by position. */
export interface Exits {
  /** Layers that have run at each exit, ascending. */
  readonly layers: readonly number[];
  /** Layers of the whole model. */
  readonly depth: number;
  /** 1 if an exit's choice is the whole model's. */
  readonly agree: readonly Uint8Array[];
  /** The text of each position. */
  readonly rows: Int32Array;
}

/** The outcome at a mean depth: each position's chance to agree with the whole model. */
export interface Outcome {
  readonly depth: number;
  readonly agree: Float64Array;
}

export const consistency = ({ agree }: Outcome): number => agree.reduce((sum, each) => sum + each, 0) / agree.length;

type Scores = readonly Float32Array[];

/** Each position's exit under a threshold: the first whose score reaches it. */
function leave({ layers, depth, agree }: Exits, scores: Scores, threshold: number): Outcome {
  const count = agree[0]!.length;
  const agrees = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const exit = scores.findIndex((each) => each[i]! >= threshold);
    sum += exit < 0 ? depth : layers[exit]!;
    agrees[i] = exit < 0 ? 1 : agree[exit]![i]!;
  }
  return { depth: sum / count, agree: agrees };
}

export const atThreshold = leave;

const mixed = (a: Outcome, b: Outcome, share: number): Outcome => ({
  depth: (1 - share) * a.depth + share * b.depth,
  agree: a.agree.map((each, i) => (1 - share) * each + share * b.agree[i]!),
});

/**
 * A rule at a mean depth: the threshold that gives it, mixing two neighbouring scores at random. Undefined if even the
 * shallowest is deeper.
 */
export function atDepth(exits: Exits, scores: Scores, wanted: number): Outcome | undefined {
  const all = Float32Array.from(scores.flatMap((each) => [...each])).sort();
  let [low, high] = [0, all.length - 1];
  if (leave(exits, scores, all[low]!).depth > wanted) return undefined;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (leave(exits, scores, all[middle]!).depth > wanted) high = middle;
    else low = middle;
  }
  const [a, b] = [leave(exits, scores, all[low]!), leave(exits, scores, all[high]!)];
  return b.depth <= wanted ? b : mixed(a, b, (wanted - a.depth) / (b.depth - a.depth));
}

/** The random rule: a token leaves at each exit with the probability that gives the mean depth. */
export function randomAtDepth({ layers, depth, agree }: Exits, wanted: number): Outcome {
  const shares = (rate: number) => layers.map((_, i) => rate * (1 - rate) ** i);
  const meanOf = (rate: number) => shares(rate).reduce((sum, share, i) => sum + share * (layers[i]! - depth), depth);
  let [low, high] = [0, 1];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (meanOf(middle) > wanted) low = middle;
    else high = middle;
  }
  const own = shares(high);
  const stay = 1 - own.reduce((sum, share) => sum + share, 0);
  return {
    depth: meanOf(high),
    agree: Float64Array.from(agree[0]!, (_, at) => own.reduce((sum, share, i) => sum + share * agree[i]![at]!, stay)),
  };
}

/** All tokens leave after the same layer, or at random after one of two neighbouring ones. */
export function fixedAtDepth({ layers, depth, agree }: Exits, wanted: number): Outcome {
  const whole = new Uint8Array(agree[0]!.length).fill(1);
  const ends = [...layers.map((layer, i) => ({ layer, agree: agree[i]! })), { layer: depth, agree: whole }];
  const outcome = ({ layer, agree: own }: (typeof ends)[number]): Outcome => ({
    depth: layer,
    agree: Float64Array.from(own),
  });
  const next = Math.max(
    1,
    ends.findIndex(({ layer }) => layer >= wanted),
  );
  const [a, b] = [outcome(ends[next - 1]!), outcome(ends[next]!)];
  return mixed(a, b, (wanted - a.depth) / (b.depth - a.depth));
}

/** Each token after the first layer whose choice is the whole model's: no rule is better. */
export function oracle({ layers, depth, agree }: Exits): Outcome {
  const count = agree[0]!.length;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += layers[agree.findIndex((each) => each[i] === 1)] ?? depth;
  return { depth: sum / count, agree: new Float64Array(count).fill(1) };
}

export interface Difference {
  readonly mean: number;
  readonly ci95: readonly [number, number];
}

const RESAMPLES = 1000;

/** The difference in the share of positions that agree, with an interval by resampling texts. */
export function difference({ rows }: Exits, a: Outcome, b: Outcome, seed: number): Difference {
  const texts = new Map<number, { sum: number; count: number }>();
  for (const [i, row] of rows.entries()) {
    const text = texts.get(row) ?? { sum: 0, count: 0 };
    texts.set(row, text);
    text.sum += a.agree[i]! - b.agree[i]!;
    text.count++;
  }
  const all = [...texts.values()];
  const meanOf = (some: typeof all) =>
    some.reduce((sum, text) => sum + text.sum, 0) / some.reduce((sum, text) => sum + text.count, 0);
  const random = seededRandom(seed);
  const means = Array.from({ length: RESAMPLES }, () =>
    meanOf(all.map(() => all[Math.floor(all.length * random())]!)),
  ).sort((x, y) => x - y);
  return { mean: meanOf(all), ci95: [means[Math.floor(0.025 * RESAMPLES)]!, means[Math.ceil(0.975 * RESAMPLES) - 1]!] };
}
