import { UserError } from "../../util/errors.ts";
import type { Forest, Node } from "./forest.ts";
import { bound } from "./json.ts";

/** Numbers between two bounds, of which either may be left out; `whole`: integers only. */
export interface Bounds {
  readonly low: Bound;
  readonly high: Bound;
  readonly whole: boolean;
}
export interface Bound {
  readonly at: number;
  /** Whether it is itself outside. */
  readonly open: boolean;
}

/** All digits that a double is sure to keep; what lies beyond is not written. */
const DIGITS = 15;
const MOST = 10 ** DIGITS - 1;

/** The numbers within the bounds, as JSON writes them without an exponent. @throws UserError when there is none */
export function numberNode(forest: Forest, { low, high, whole }: Bounds): Node {
  const [least, most] = [clamp(low), clamp(high)];
  const positive = new Magnitudes(forest, most.at, whole).between(floor(least), most);
  const turned = { at: -most.at, open: most.open };
  const negative = new Magnitudes(forest, -least.at, whole).between(floor(turned), negated(least));
  const node = forest.alt([positive, forest.seq(forest.text("-"), negative)]);
  if (node.kind === "none") throw new UserError(`no number lies within its bounds`);
  return node;
}

const negated = ({ at, open }: Bound): Bound => ({ at: -at, open });
const clamp = ({ at, open }: Bound): Bound =>
  Math.abs(at) > MOST ? { at: Math.sign(at) * MOST, open: false } : { at, open };
/** Below 0 there is nothing that a sign does not write. */
const floor = ({ at, open }: Bound): Bound => (at < 0 ? { at: 0, open: false } : { at, open });

/** Numbers without a sign. */
class Magnitudes {
  readonly #digit: Node;
  /** Digits after the point. */
  readonly #fraction: number;

  constructor(
    private readonly forest: Forest,
    highest: number,
    private readonly whole: boolean,
  ) {
    this.#digit = this.#digits(0, 9);
    this.#fraction = Math.max(0, DIGITS - String(Math.trunc(Math.max(0, highest))).length);
  }

  between(low: Bound, high: Bound): Node {
    if (high.at < low.at || (high.at === low.at && (high.open || low.open))) return this.forest.none;
    const [[lowWhole, lowRest], [highWhole, highRest]] = [parts(low.at), parts(high.at)];
    const after = { low: { digits: lowRest, open: low.open }, high: { digits: highRest, open: high.open } };
    if (lowWhole === highWhole) return this.#with(lowWhole, this.#fractions(after.low, after.high));
    return this.forest.alt([
      this.#with(lowWhole, this.#fractions(after.low, undefined)),
      this.#wholes(BigInt(lowWhole) + 1n, BigInt(highWhole) - 1n, this.#fractions(undefined, undefined)),
      this.#with(highWhole, this.#fractions(undefined, after.high)),
    ]);
  }

  #with(whole: string, fraction: Node): Node {
    return this.forest.seq(this.forest.text(whole), fraction);
  }

  /** Integers from `low` to `high`, by how many digits they have. */
  #wholes(low: bigint, high: bigint, fraction: Node): Node {
    const found: Node[] = [];
    for (let from = low; from <= high; ) {
      const end = 10n ** BigInt(from.toString().length) - 1n;
      const to = end < high ? end : high;
      found.push(this.#sameLength(from.toString(), to.toString()));
      from = to + 1n;
    }
    return this.forest.seq(this.forest.alt(found), fraction);
  }

  #sameLength(low: string, high: string): Node {
    const { alt, seq, repeat } = bound(this.forest);
    if (low === "") return this.forest.empty;
    const [l, h, rest] = [Number(low[0]), Number(high[0]), low.length - 1];
    if (l === h) return seq(this.#digits(l, l), this.#sameLength(low.slice(1), high.slice(1)));
    return alt([
      seq(this.#digits(l, l), this.#sameLength(low.slice(1), "9".repeat(rest))),
      seq(this.#digits(l + 1, h - 1), repeat(this.#digit, rest, rest)),
      seq(this.#digits(h, h), this.#sameLength("0".repeat(rest), high.slice(1))),
    ]);
  }

  /** What may stand behind a whole part: nothing, or a point and digits. */
  #fractions(low: Edge | undefined, high: Edge | undefined): Node {
    const { alt, seq, text } = bound(this.forest);
    const none = low && (low.digits !== "" || low.open) ? this.forest.none : this.forest.empty;
    const nothing = high && high.digits === "" && high.open ? this.forest.none : none;
    if (this.whole) return nothing;
    return alt([nothing, seq(text("."), this.#digitsWithin(low, high, this.#fraction, 0))]);
  }

  /** At least one digit, if it is the first, then any that keep within the edges. */
  #digitsWithin(low: Edge | undefined, high: Edge | undefined, room: number, taken: number): Node {
    const { alt, seq, repeat } = bound(this.forest);
    const end = taken > 0 && ends(low, high) ? this.forest.empty : this.forest.none;
    const left = Math.max(room, low?.digits.length ?? 0, high?.digits.length ?? 0);
    if (left === 0) return end;
    if (!low && !high) return repeat(this.#digit, taken > 0 ? 0 : 1, left);
    const further = Array.from({ length: 10 }, (_, digit) => {
      const [l, h] = [next(low, digit, -1), next(high, digit, 1)];
      if (l === "out" || h === "out") return this.forest.none;
      return seq(this.#digits(digit, digit), this.#digitsWithin(l, h, left - 1, taken + 1));
    });
    return alt([end, ...further]);
  }

  #digits(from: number, to: number): Node {
    return from > to ? this.forest.none : this.forest.bytes([[0x30 + from, 0x30 + to]]);
  }
}

/** The digits of a bound that a fraction has followed so far; it is at the bound itself when none are left. */
interface Edge {
  readonly digits: string;
  readonly open: boolean;
}

/** Whether a fraction may end here: shorter is less. */
function ends(low: Edge | undefined, high: Edge | undefined): boolean {
  if (low && (low.digits !== "" || low.open)) return false;
  return !(high && high.digits === "" && high.open);
}

/** The edge behind one more digit: undefined once it is left behind on the right side. */
function next(edge: Edge | undefined, digit: number, side: -1 | 1): Edge | undefined | "out" {
  if (!edge) return undefined;
  const own = Number(edge.digits[0] ?? 0);
  if (digit === own) return { ...edge, digits: edge.digits.slice(1) };
  return Math.sign(digit - own) === side ? "out" : undefined;
}

/** The digits before the point and after it, without zeros at the end. */
function parts(value: number): [whole: string, rest: string] {
  const [whole, rest = ""] = decimal(value).split(".");
  return [whole!, rest.replace(/0+$/, "")];
}

/** Without an exponent: below 10^21 large numbers have none. */
function decimal(value: number): string {
  const text = String(value);
  const [, mantissa, exponent] = /^(.+)e-(\d+)$/.exec(text) ?? [];
  if (mantissa === undefined) return text;
  return `0.${"0".repeat(Number(exponent) - 1)}${mantissa.replace(".", "")}`;
}
