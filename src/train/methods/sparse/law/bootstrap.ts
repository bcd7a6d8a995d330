import { seededRandom } from "../../../../util/random.ts";
import { fitScalingLaw, type Law, type Point, startAt } from "./fit.ts";

/** The bounds of each coefficient's central 95 % interval. */
export type LawIntervals = { readonly [K in keyof Law]: readonly [low: number, high: number] };

const NAMES = ["E", "A", "B", "alpha", "beta"] as const;

/** Bootstraps intervals of the coefficients: refits resampled points, starting at `law`, the fit to all points. */
export function bootstrapLaw(points: readonly Point[], law: Law, rounds = 200, seed = 0): LawIntervals {
  const random = seededRandom(seed);
  const fits = Array.from({ length: rounds }, () =>
    fitScalingLaw(
      points.map(() => points[Math.floor(random() * points.length)]!),
      { starts: [startAt(law)] },
    ),
  );
  const interval = (name: keyof Law): readonly [number, number] => {
    const values = fits.map((fit) => fit[name]).sort((a, b) => a - b);
    return [values[Math.floor(0.025 * rounds)]!, values[Math.ceil(0.975 * rounds) - 1]!];
  };
  return Object.fromEntries(NAMES.map((name) => [name, interval(name)])) as unknown as LawIntervals;
}
