/** Splits numbers into decimal digits, which a grammar follows one by one. */

/** The number of decimal digits that a double always preserves. */
export const DIGITS = 15;

/** The digits before and after the point, without trailing zeros, for a number from 0 to 10^21. */
export function parts(value: number): [whole: string, rest: string] {
  const [whole, rest = ""] = decimal(value).split(".");
  return [whole!, rest.replace(/0+$/, "")];
}

/** Writes a number below 10^21 without an exponent. */
function decimal(value: number): string {
  const text = String(value);
  const [, mantissa, exponent] = /^(.+)e-(\d+)$/.exec(text) ?? [];
  if (mantissa === undefined) return text;
  return `0.${"0".repeat(Number(exponent) - 1)}${mantissa.replace(".", "")}`;
}

/**
 * The remaining digits of a bound whose earlier digits equal the fraction's; if none remain, the fraction is the bound.
 */
export interface Edge {
  readonly digits: string;
  readonly open: boolean;
}

/** True if a fraction may end here: if it stopped before a lower bound's last digit, it would be below the bound. */
export function ends(low: Edge | undefined, high: Edge | undefined): boolean {
  if (low && (low.digits !== "" || low.open)) return false;
  return !(high && high.digits === "" && high.open);
}

/** The edge after one more digit; undefined once the number is inside the bound. */
export function next(edge: Edge | undefined, digit: number, side: -1 | 1): Edge | undefined | "out" {
  if (!edge) return undefined;
  const own = Number(edge.digits[0] ?? 0);
  if (digit === own) return { ...edge, digits: edge.digits.slice(1) };
  return Math.sign(digit - own) === side ? "out" : undefined;
}
