/**
 * A size that may not be known yet: a number, or a polynomial over named symbols such as `tokens` and `past`. Shapes
 * use whole-number dims; costs use the same algebra with rational coefficients, so a graph's cost is one small
 * polynomial that is evaluated per run instead of a walk over its operators.
 */
export type Dim = number | Poly;

/** Values of the symbols in one run. */
export type Bindings = Readonly<Record<string, number>>;

/** Terms by monomial. A monomial is its sorted symbols joined by `*`; the constant term is the empty string. */
class Poly {
  constructor(readonly terms: ReadonlyMap<string, number>) {}

  toString(): string {
    const show = ([mono, c]: [string, number]) => (mono === "" ? `${c}` : c === 1 ? mono : `${c}*${mono}`);
    return [...this.terms]
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .map(show)
      .join("+")
      .replaceAll("+-", "-");
  }
}

export function sym(name: string): Dim {
  return new Poly(new Map([[name, 1]]));
}

const termsOf = (d: Dim): ReadonlyMap<string, number> => (typeof d === "number" ? new Map([["", d]]) : d.terms);

function normal(terms: Map<string, number>): Dim {
  for (const [mono, c] of terms) if (c === 0) terms.delete(mono);
  if (terms.size === 0) return 0;
  const constant = terms.get("");
  return terms.size === 1 && constant !== undefined ? constant : new Poly(terms);
}

export function add(...dims: Dim[]): Dim {
  const sum = new Map<string, number>();
  for (const d of dims) for (const [mono, c] of termsOf(d)) sum.set(mono, (sum.get(mono) ?? 0) + c);
  return normal(sum);
}

const joinMonomials = (a: string, b: string): string =>
  [...a.split("*"), ...b.split("*")]
    .filter((s) => s !== "")
    .sort()
    .join("*");

function mul2(a: Dim, b: Dim): Dim {
  const product = new Map<string, number>();
  for (const [m, c] of termsOf(a))
    for (const [n, d] of termsOf(b)) {
      const mono = joinMonomials(m, n);
      product.set(mono, (product.get(mono) ?? 0) + c * d);
    }
  return normal(product);
}

export function mul(...dims: Dim[]): Dim {
  return dims.reduce(mul2, 1);
}

export function sameDim(a: Dim, b: Dim): boolean {
  return add(a, mul(-1, b)) === 0;
}

/** The dim's value. Throws if a symbol has no value. */
export function evalDim(dim: Dim, bindings: Bindings): number {
  if (typeof dim === "number") return dim;
  let total = 0;
  for (const [mono, c] of dim.terms) total += c * monomialValue(mono, bindings);
  return total;
}

/** The dim and the number of a symbol that stands for the smaller of the two, by the symbol's name. */
const bounded = new Map<string, { readonly dim: Dim; readonly most: number }>();

/** The dim, or `most` if that is smaller: one symbol, evaluated from the dim's symbols. */
export function atMost(dim: Dim, most: number): Dim {
  if (typeof dim === "number") return Math.min(dim, most);
  const name = `min(${dim}, ${most})`.replaceAll("*", "·");
  bounded.set(name, { dim, most });
  return sym(name);
}

function symbolValue(name: string, bindings: Bindings): number {
  const limit = bounded.get(name);
  const value = limit ? Math.min(evalDim(limit.dim, bindings), limit.most) : bindings[name];
  if (value === undefined) throw new Error(`the symbolic dimension "${name}" has no value in this run`);
  return value;
}

function monomialValue(mono: string, bindings: Bindings): number {
  if (mono === "") return 1;
  let product = 1;
  for (const name of mono.split("*")) product *= symbolValue(name, bindings);
  return product;
}

export type Shape = readonly Dim[];

/** Number of elements. */
export const volume = (shape: Shape): Dim => mul(...shape);
export const showShape = (shape: Shape): string => `[${shape.map(String).join(", ")}]`;
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => sameDim(d, b[i]!));
export const evalShape = (shape: Shape, bindings: Bindings): number[] => shape.map((d) => evalDim(d, bindings));
