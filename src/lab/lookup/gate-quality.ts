import {
  asRoute,
  atThreshold,
  type GateSample,
  gateCurve,
  thresholdForRate,
  thresholdFrom,
} from "../../pipelines/answer/gate/calibrate.ts";
import { above, type CurvePoint, randomLine } from "../../pipelines/metrics.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { bootstrap, type Estimate } from "../metrics/bootstrap.ts";
import { auroc } from "../metrics/index.ts";

/** A gate with a threshold chosen on other questions. */
interface AppliedGate {
  readonly threshold: number;
  readonly rate: number;
  readonly accuracy: number;
}

/** One gate's scores on the questions of the test half. */
export interface GateResult {
  readonly gate: string;
  /** The probability that a question answered correctly only with retrieval outscores any other, picked at random. */
  readonly auroc: Estimate;
  /** The gain in accuracy over random retrieval, averaged over all retrieval rates. */
  readonly above_random: Estimate;
  /** The control: `above_random` with shuffled scores, averaged over shuffles. */
  readonly above_random_shuffled: number;
  readonly curve: readonly CurvePoint[];
  readonly by_rate: readonly (AppliedGate & { readonly wanted: number })[];
  /** Results at the lowest retrieval rate that matches the accuracy of always retrieving, chosen on the other half. */
  readonly by_accuracy: AppliedGate;
  /** The lowest rate that is as accurate on these questions as always retrieving: no threshold can do better. */
  readonly least_rate: number;
}

const RATES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] as const;
const SHUFFLES = 20;

type Part = readonly [plain: number, retrieved: number, score: number];
const judgedOf = (parts: readonly (readonly number[])[]): GateSample[] =>
  parts.map((part) => ({ plain: part[0]!, retrieved: part[1]!, score: part[2]! }));
const partOf = ({ plain, retrieved, score }: GateSample): Part => [plain, retrieved, score];

const aboveRandom = (samples: readonly GateSample[]): number =>
  above(gateCurve(samples), randomLine(samples.map(asRoute)));

/** Evaluates a gate on both halves; thresholds come only from `calibration`. */
export function evaluateGate(
  gate: string,
  calibration: readonly GateSample[],
  test: readonly GateSample[],
  seed = 0,
): GateResult {
  const needed = test.map(({ score, plain, retrieved }) => [Number(retrieved > plain), -score, score]);
  const area = bootstrap(needed, auroc.quality, { seed, resampled: auroc.resampled });
  const over = bootstrap(test.map(partOf), (parts) => aboveRandom(judgedOf(parts)), { seed });
  const applied = (threshold: number): AppliedGate => ({ threshold, ...atThreshold(test, threshold) });
  const scores = calibration.map(({ score }) => score);
  const curve = gateCurve(test);
  return {
    gate,
    auroc: { mean: area.quality, ci95: area.ci95 },
    above_random: { mean: over.quality, ci95: over.ci95 },
    above_random_shuffled: shuffledAboveRandom(test, seed),
    curve: curve.filter((_, k) => k % Math.max(1, Math.round(test.length / 20)) === 0 || k === test.length),
    by_rate: RATES.map((rate) => ({ wanted: rate, ...applied(thresholdForRate(scores, rate)) })),
    by_accuracy: applied(thresholdFrom(calibration, { by: "accuracy", benefit: 1, charged: "every" })),
    least_rate: curve.find(({ quality }) => quality >= curve.at(-1)!.quality - 1e-12)!.share,
  };
}

function shuffledAboveRandom(samples: readonly GateSample[], seed: number): number {
  const random = seededRandom(seed + 1);
  const once = () => {
    const scores = shuffle(
      samples.map(({ score }) => score),
      random,
    );
    return aboveRandom(samples.map((one, i) => ({ ...one, score: scores[i]! })));
  };
  return Array.from({ length: SHUFFLES }, once).reduce((sum, value) => sum + value, 0) / SHUFFLES;
}
