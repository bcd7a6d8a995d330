import { z } from "zod";
import { seededRandom } from "../../util/random.ts";

/**
 * Ways to tell from Swift's logits how easy an input is (E-LANG, arXiv 2203.00748). Higher is easier in all of them. `energy-of-probs` is what
 * the authors' released code computes, the energy of probabilities; `random` is a control.
 */
export const scoreKinds = ["energy", "energy-of-probs", "softmax", "entropy", "margin", "random"] as const;
export type ScoreKind = (typeof scoreKinds)[number];

/** How the tokens' scores become one: `first` needs the first token alone, the others need the whole draft; `q0.25` is a quantile. */
export type Aggregate = "first" | "mean" | "min" | `q${number}`;

const isAggregate = (text: string): boolean => /^(first|mean|min|q(0(\.\d+)?|1(\.0+)?))$/.test(text);

export const aggregate = z
  .string("expected first, mean, min or a quantile such as q0.25")
  .refine(isAggregate, "expected first, mean, min or a quantile such as q0.25")
  .transform((text) => text as Aggregate);

/** A seed and 32 bits of the input together fill a number. */
const MOST_SEED = 2 ** 20;

export const scoreOptions = z.strictObject({
  score: z.enum(scoreKinds).default("energy").describe("what tells from Swift's logits how easy an input is"),
  temperature: z.coerce
    .number()
    .positive()
    .default(1)
    .describe("divides the logits; the energy is multiplied by it again"),
  aggregate: aggregate.default("first").describe("first, mean, min or a quantile (q0.25) over the answer's tokens"),
  labelTokens: z
    .array(z.int().min(0))
    .min(2, "expected two label tokens or more")
    .optional()
    .describe("ids of tokens: the others' logits are left out"),
  seed: z.coerce.number().int().min(0).max(MOST_SEED).default(0).describe("seed of score=random"),
});
export type ScoreOptions = z.output<typeof scoreOptions>;

type Logits = ArrayLike<number>;

/** A comparison, a subtraction, an exponential and an addition for each logit that is scored. */
export const FLOPS_PER_LOGIT = 4;

/** log Σ exp(z/T) for the logits, and their maximum over T: shifted, so that ±1e4 stays finite. */
function logSumExp(logits: Logits, temperature: number): { max: number; sum: number } {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]! / temperature);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! / temperature - max);
  return { max, sum: max + Math.log(sum) };
}

/** −F(x) = T·log Σ exp(f_i/T): high for inputs like those that the model was fitted to. */
export const energy = (logits: Logits, temperature = 1): number => temperature * logSumExp(logits, temperature).sum;

/** log Σ exp(p_i): as the released code has it, which takes the softmax first. Between ln(n) + 1/n and ln(e + n − 1). */
export function energyOfProbs(logits: Logits, temperature = 1): number {
  const { sum } = logSumExp(logits, temperature);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(Math.exp(logits[i]! / temperature - sum));
  return Math.log(total);
}

/** The greatest probability. */
export function softmax(logits: Logits, temperature = 1): number {
  const { max, sum } = logSumExp(logits, temperature);
  return Math.exp(max - sum);
}

/** −H = Σ p log p, in nats: higher is easier, as with the others. */
export function negativeEntropy(logits: Logits, temperature = 1): number {
  const { sum } = logSumExp(logits, temperature);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    const log = logits[i]! / temperature - sum;
    total += Math.exp(log) * log;
  }
  return total;
}

/** The greatest probability less the second. */
export function margin(logits: Logits, temperature = 1): number {
  const { sum } = logSumExp(logits, temperature);
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]! / temperature;
    if (logit > first) [first, second] = [logit, first];
    else if (logit > second) second = logit;
  }
  return Math.exp(first - sum) - Math.exp(second - sum);
}

/** A number in [0, 1) that depends on the seed and on the input alone, whatever was scored before. */
function randomScore(logits: Logits, seed: number): number {
  let hash = 0x811c9dc5;
  const bits = new Int32Array(
    new Float32Array(Array.from({ length: Math.min(64, logits.length) }, (_, i) => logits[i]!)).buffer,
  );
  for (const word of bits) hash = Math.imul(hash ^ word, 0x01000193);
  return seededRandom((hash >>> 0) + seed * 2 ** 32)();
}

/** The score of one token's logits; NaN if a logit is not finite or there are fewer than two: such an input goes to Super. */
export function scoreOf(logits: Logits, options: ScoreOptions): number {
  const seen = options.labelTokens ? options.labelTokens.map((id) => logits[id] ?? Number.NaN) : logits;
  if (seen.length < 2 || !allFinite(seen)) return Number.NaN;
  const { temperature } = options;
  switch (options.score) {
    case "energy":
      return energy(seen, temperature);
    case "energy-of-probs":
      return energyOfProbs(seen, temperature);
    case "softmax":
      return softmax(seen, temperature);
    case "entropy":
      return negativeEntropy(seen, temperature);
    case "margin":
      return margin(seen, temperature);
    case "random":
      return randomScore(seen, options.seed);
  }
}

function allFinite(logits: Logits): boolean {
  for (let i = 0; i < logits.length; i++) if (!Number.isFinite(logits[i])) return false;
  return true;
}

/** An answer's score from those of its tokens; NaN if there are none or one of them is NaN. */
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

/** Between neighbours in proportion (Hyndman & Fan's type 7, numpy's default). */
function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}

/** Scores an answer as its tokens come. */
export class Scorer {
  readonly #scores: number[] = [];
  /** Logits that were scored, for the bill. */
  logits = 0;

  constructor(readonly options: ScoreOptions) {}

  /** Scores the next token's logits, unless the first token alone decides. */
  observe(logits: Logits): void {
    if (this.options.aggregate === "first" && this.#scores.length > 0) return;
    this.#scores.push(scoreOf(logits, this.options));
    this.logits += this.options.labelTokens?.length ?? logits.length;
  }

  /** NaN before the first token. */
  get score(): number {
    return aggregated(this.#scores, this.options.aggregate);
  }

  /** A token's logits gave no score: nothing that follows can change that. */
  get failed(): boolean {
    return this.#scores.some(Number.isNaN);
  }

  get flops(): number {
    return this.options.score === "random" ? 0 : FLOPS_PER_LOGIT * this.logits;
  }
}
