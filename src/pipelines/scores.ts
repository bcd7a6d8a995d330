import { z } from "zod";
import { fnv1a } from "../util/hash.ts";
import { seededRandom } from "../util/random.ts";

/**
 * Scores of how easy an input is, from Swift's logits (E-LANG, arXiv 2203.00748). Higher means easier for all.
 * `energy-of-probs` is the formula of the authors' released code, the energy of probabilities; `random` is a control.
 */
export const scoreKinds = ["energy", "energy-of-probs", "softmax", "entropy", "margin", "random"] as const;
export type ScoreKind = (typeof scoreKinds)[number];

/**
 * Combines the tokens' scores: `first` needs only the first token, the others need the whole draft; `q0.25` is a
 * quantile.
 */
export type Aggregate = "first" | "mean" | "min" | `q${number}`;

const isAggregate = (text: string): boolean => /^(first|mean|min|q(0(\.\d+)?|1(\.0+)?))$/.test(text);

export const aggregate = z
  .string("expected first, mean, min or a quantile such as q0.25")
  .refine(isAggregate, "expected first, mean, min or a quantile such as q0.25")
  .transform((text) => text as Aggregate);

/** The maximum seed: a number holds a seed and 32 bits of the input exactly. */
const MOST_SEED = 2 ** 20;

export const scoreOptions = z.strictObject({
  score: z.enum(scoreKinds).default("energy").describe("how to score an input's ease from the smaller model's logits"),
  temperature: z.coerce.number().positive().default(1).describe("divides the logits, and multiplies the energy"),
  aggregate: aggregate.default("first").describe("first, mean, min or a quantile (q0.25) over the answer's tokens"),
  labelTokens: z
    .array(z.int().min(0))
    .min(2, "expected two label tokens or more")
    .optional()
    .describe("token ids; other logits are ignored"),
  seed: z.coerce.number().int().min(0).max(MOST_SEED).default(0).describe("seed of score=random"),
});
export type ScoreOptions = z.output<typeof scoreOptions>;

type Logits = ArrayLike<number>;

/** FLOPs per scored logit: a comparison, a subtraction, an exponential and an addition. */
export const FLOPS_PER_LOGIT = 4;

/**
 * Logits divided by a temperature, and terms that several scores use, in float64 and shifted by the maximum, so that
 * logits of ±1e4 do not overflow.
 */
class Distribution {
  /** The logits divided by the temperature. */
  readonly z: Float64Array;
  /** log Σ exp(z). */
  readonly logSum: number;
  readonly max: number;
  /** exp(z − max) */
  readonly #weights: Float64Array;
  readonly #total: number;

  constructor(
    logits: Logits,
    readonly temperature: number,
  ) {
    const z = new Float64Array(logits);
    const n = z.length;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < n; i++) {
      const scaled = z[i]! / temperature;
      z[i] = scaled;
      if (scaled > max) max = scaled;
    }
    const weights = new Float64Array(n);
    let total = 0;
    for (let i = 0; i < n; i++) {
      const weight = Math.exp(z[i]! - max);
      weights[i] = weight;
      total += weight;
    }
    this.z = z;
    this.max = max;
    this.#weights = weights;
    this.#total = total;
    this.logSum = max + Math.log(total);
  }

  /** The probability of the logit at this index. */
  p(at: number): number {
    return this.#weights[at]! / this.#total;
  }
}

/** −F(x) = T·log Σ exp(f_i/T): high for inputs like the training data. */
export const energy = (logits: Logits, temperature = 1): number => energyOf(new Distribution(logits, temperature));
const energyOf = ({ temperature, logSum }: Distribution): number => temperature * logSum;

/** log Σ exp(p_i), as in the released code, which applies the softmax first. Between ln(n) + 1/n and ln(e + n − 1). */
function energyOfProbsOf(of: Distribution): number {
  // Most probabilities are about 0, where exp(p) − 1 is about p. Summing only these small numbers keeps the sum exact.
  let more = 0;
  for (let i = 0; i < of.z.length; i++) more += Math.expm1(of.p(i));
  return Math.log(of.z.length + more);
}

/** The greatest probability. */
export const softmax = (logits: Logits, temperature = 1): number => softmaxOf(new Distribution(logits, temperature));
const softmaxOf = ({ max, logSum }: Distribution): number => Math.exp(max - logSum);

/** −H = Σ p log p, in nats: a higher value means an easier input, as for the other scores. */
function negativeEntropyOf(of: Distribution): number {
  let total = 0;
  for (let i = 0; i < of.z.length; i++) total += of.p(i) * (of.z[i]! - of.logSum);
  return total;
}

/** The greatest probability minus the second. */
export const margin = (logits: Logits, temperature = 1): number => marginOf(new Distribution(logits, temperature));
function marginOf({ z, logSum }: Distribution): number {
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < z.length; i++) {
    const logit = z[i]!;
    if (logit > first) {
      second = first;
      first = logit;
    } else if (logit > second) second = logit;
  }
  return Math.exp(first - logSum) - Math.exp(second - logSum);
}

/** A number in [0, 1) that depends only on the seed and on the input. */
function randomScore(logits: Logits, seed: number): number {
  const first = Float32Array.from({ length: Math.min(64, logits.length) }, (_, i) => logits[i]!);
  return seededRandom(fnv1a(new Int32Array(first.buffer)) + seed * 2 ** 32)();
}

/** The score of one token's logits; NaN if a logit is not finite or there are fewer than two: such an input goes to Super. */
export const scoreOf = (logits: Logits, options: ScoreOptions): number => scoresOf(logits, [options])[0]!;

/** Like `scoreOf`, for several scores at once; shared work is done once. */
export function scoresOf(logits: Logits, ways: readonly ScoreOptions[]): number[] {
  const known: { readonly way: ScoreOptions; readonly of: Distribution | undefined }[] = [];
  return ways.map((way) => {
    const like = known.find(
      (one) => one.way.temperature === way.temperature && one.way.labelTokens === way.labelTokens,
    );
    const { of } = like ?? { of: distributionOf(logits, way) };
    if (!like) known.push({ way, of });
    return of ? scoreIn(of, way) : Number.NaN;
  });
}

function distributionOf(logits: Logits, { labelTokens, temperature }: ScoreOptions): Distribution | undefined {
  const seen = labelTokens ? labelTokens.map((id) => logits[id] ?? Number.NaN) : logits;
  return seen.length < 2 || !allFinite(seen) ? undefined : new Distribution(seen, temperature);
}

function scoreIn(of: Distribution, { score, seed }: ScoreOptions): number {
  switch (score) {
    case "energy":
      return energyOf(of);
    case "energy-of-probs":
      return energyOfProbsOf(of);
    case "softmax":
      return softmaxOf(of);
    case "entropy":
      return negativeEntropyOf(of);
    case "margin":
      return marginOf(of);
    case "random":
      return randomScore(of.z, seed);
  }
}

function allFinite(logits: Logits): boolean {
  for (let i = 0; i < logits.length; i++) if (!Number.isFinite(logits[i])) return false;
  return true;
}

/** An answer's score, from its tokens' scores; NaN if there are no scores or one of them is NaN. */
export function aggregated(scores: readonly number[], how: Aggregate): number {
  if (scores.length === 0 || scores.some(Number.isNaN)) return Number.NaN;
  switch (how) {
    case "first":
      return scores[0]!;
    case "mean":
      return scores.reduce((sum, score) => sum + score, 0) / scores.length;
    case "min":
      return Math.min(...scores);
    default:
      return quantile(scores, Number(how.slice(1)));
  }
}

/** Interpolates linearly between neighbours (Hyndman & Fan's type 7, numpy's default). */
function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}

/** Scores an answer as its tokens arrive. */
export class Scorer {
  readonly #scores: number[] = [];
  /** The number of scored logits, for the bill. */
  logits = 0;

  constructor(readonly options: ScoreOptions) {}

  /** Scores the next token's logits, unless only the first token decides. */
  observe(logits: Logits): void {
    if (this.options.aggregate === "first" && this.#scores.length > 0) return;
    this.#scores.push(scoreOf(logits, this.options));
    this.logits += this.options.labelTokens?.length ?? logits.length;
  }

  /** NaN before the first token. */
  get score(): number {
    return aggregated(this.#scores, this.options.aggregate);
  }

  /** True if a token's score is NaN; later tokens cannot change this. */
  get failed(): boolean {
    return this.#scores.some(Number.isNaN);
  }

  get flops(): number {
    return this.options.score === "random" ? 0 : FLOPS_PER_LOGIT * this.logits;
  }
}
