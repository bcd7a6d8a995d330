import { mean } from "../../src/util/mean.ts";

/** Quantiles of t for 97.5 %, by degrees of freedom. */
const T: Readonly<Record<number, number>> = { 1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776 };

/** A mean over seeds with its t interval of 95 %, from two seeds on. */
export function overSeeds(values: readonly number[], show: (value: number) => string): string {
  const middle = mean(values);
  const t = T[values.length - 1];
  if (t === undefined) return show(middle);
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  const half = t * Math.sqrt(variance / values.length);
  return `${show(middle)} [${show(middle - half)}, ${show(middle + half)}]`;
}
