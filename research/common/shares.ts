import { pairedDelta } from "../../src/lab/metrics/bootstrap.ts";

// Right and wrong answers from a string of one digit per question.

const hits = (right: string): [number][] => [...right].map((digit) => [Number(digit)]);
const points = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;

export const meanOfParts = (parts: readonly (readonly number[])[]): number =>
  parts.reduce((sum, [value]) => sum + value!, 0) / parts.length;

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The share of right answers. */
export const shareOf = (right: string): number => meanOfParts(hits(right));

/** A share of right answers with Wilson's interval of 95 %. */
export function shareText(right: string): string {
  const [n, share] = [right.length, shareOf(right)];
  const z = 1.96;
  const middle = share + z ** 2 / (2 * n);
  const half = z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  const [low, high] = [middle - half, middle + half].map((value) => ((100 * value) / (1 + z ** 2 / n)).toFixed(1));
  return `${percent(share)} [${low}, ${high}]`;
}

/** The difference between two models' answers to the same questions, in points with the paired interval of 95 %. */
export function difference(one: string, other: string): { readonly delta: number; readonly text: string } {
  const { mean: delta, ci95 } = pairedDelta(hits(one), hits(other), meanOfParts, { seed: 1 });
  return { delta, text: `${points(delta)} [${points(ci95[0])}, ${points(ci95[1])}]` };
}
