import type { Price as Coefficients } from "../../savings/auto/certificate.ts";
import { cholesky, solveCholesky } from "../../util/cholesky.ts";

/** The cost of one answer, and its tokens. */
export interface Observation {
  /** Prompt tokens, none of them cached. */
  readonly prompt: number;
  readonly answer: number;
  readonly cost: number;
}

export type Term = keyof Coefficients;
/** Terms in order of preference: if the lengths cannot separate terms, earlier ones are kept. */
const TERMS: readonly Term[] = ["new", "answer", "attended", "fixed"];

const termsOf = (prompt: number, answer: number): Coefficients => ({
  ...{ fixed: 1, new: prompt },
  attended: prompt * (prompt / 2),
  answer,
});

/** The cost of an answer with nothing cached. */
export function costOf(fit: Coefficients, prompt: number, answer: number): number {
  const terms = termsOf(prompt, answer);
  return TERMS.reduce((sum, term) => sum + fit[term] * terms[term], 0);
}

/** The minimum share of a term that the other terms do not explain; below it, timing noise hides the term. */
const DISTINCT = 0.1;

/**
 * The terms that the lengths of dense's observations can separate. All recipes share these terms, so that prices are
 * comparable.
 */
export function distinctTerms(observations: readonly Observation[]): Term[] {
  const usable = observations.filter(({ cost }) => cost > 0);
  const rows = usable.map(({ prompt, answer, cost }) => ({ ...termsOf(prompt, answer), cost }));
  const basis: number[][] = [];
  return TERMS.filter((term) => {
    const column = rows.map((row) => row[term] / row.cost);
    const rest = basis.reduce((vector, unit) => minus(vector, unit, dot(vector, unit)), column);
    const share = Math.sqrt(dot(rest, rest) / dot(column, column));
    if (!(share > DISTINCT)) return false;
    basis.push(rest.map((value) => value / Math.sqrt(dot(rest, rest))));
    return true;
  });
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const minus = (a: readonly number[], b: readonly number[], times: number): number[] =>
  a.map((value, i) => value - times * b[i]!);

/**
 * Fits the terms of `fixed + new·n + attended·n·n/2 + answer·m` to costs, relative to their size, with no coefficient
 * below 0. There is at most one term per two observations.
 */
export function fitted(observations: readonly Observation[], terms: readonly Term[]): Coefficients {
  const usable = observations.filter(({ cost }) => cost > 0);
  const most = Math.max(1, Math.floor(usable.length / 2));
  // The least-squares fit with bounds at 0 is the best unbounded fit over a subset of the terms.
  const subsets = Array.from({ length: 2 ** terms.length - 1 }, (_, i) =>
    terms.filter((_, bit) => (i + 1) & (1 << bit)),
  );
  const fits = subsets.filter(({ length }) => length <= most).flatMap((terms) => solved(terms, usable) ?? []);
  const best = fits.reduce((a, b) => (b.error < a.error - 1e-12 ? b : a), {
    fit: { fixed: 0, new: 0, attended: 0, answer: 0 },
    error: Number.POSITIVE_INFINITY,
  });
  return best.fit;
}

/** Unbounded least squares; undefined if a coefficient is below 0, or the terms cannot be separated. */
function solved(terms: readonly Term[], observations: readonly Observation[]) {
  const n = terms.length;
  const rows = observations.map(({ prompt, answer, cost }) => {
    const all = termsOf(prompt, answer);
    return terms.map((term) => all[term] / cost);
  });
  const scales = terms.map((_, i) => Math.max(...rows.map((row) => row[i]!)) || 1);
  const scaled = rows.map((row) => row.map((value, i) => value / scales[i]!));
  const matrix = new Float64Array(n * n);
  const right = new Float64Array(n);
  for (const row of scaled)
    for (let i = 0; i < n; i++) {
      right[i]! += row[i]!;
      for (let j = 0; j < n; j++) matrix[i * n + j]! += row[i]! * row[j]!;
    }
  try {
    const l = cholesky(matrix, n);
    if (terms.some((_, i) => l[i * n + i]! ** 2 < 1e-9 * matrix[i * n + i]!)) return undefined;
    solveCholesky(l, n, right);
  } catch {
    return undefined;
  }
  if (right.some((value) => !(value >= 0))) return undefined;
  const fit: Coefficients = { fixed: 0, new: 0, attended: 0, answer: 0 };
  for (const [i, term] of terms.entries()) fit[term] = right[i]! / scales[i]!;
  const error = scaled.reduce((sum, row) => sum + (row.reduce((s, value, i) => s + value * right[i]!, 0) - 1) ** 2, 0);
  return { fit, error };
}
