import { DIGITS, type Edge, ends, next, parts } from "./decimal.ts";
import type { Forest, Node } from "./forest.ts";
import { bound } from "./json.ts";

export interface Bound {
  readonly at: number;
  /** True if the bound itself is excluded. */
  readonly open: boolean;
}

/** Numbers without a sign. */
export class Magnitudes {
  readonly #digit: Node;
  /** The maximum number of digits after the point. */
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

  /** Integers from `low` to `high`, grouped by their number of digits. */
  #wholes(low: bigint, high: bigint, fraction: Node): Node {
    const alternatives: Node[] = [];
    for (let from = low; from <= high; ) {
      const end = 10n ** BigInt(from.toString().length) - 1n;
      const to = end < high ? end : high;
      alternatives.push(this.#sameLength(from.toString(), to.toString()));
      from = to + 1n;
    }
    return this.forest.seq(this.forest.alt(alternatives), fraction);
  }

  #sameLength(low: string, high: string): Node {
    const { alt, seq, repeat } = bound(this.forest);
    if (/^0*$/.test(low) && /^9*$/.test(high)) return repeat(this.#digit, low.length, low.length);
    const [l, h, rest] = [Number(low[0]), Number(high[0]), low.length - 1];
    if (l === h) return seq(this.#digits(l, l), this.#sameLength(low.slice(1), high.slice(1)));
    return alt([
      seq(this.#digits(l, l), this.#sameLength(low.slice(1), "9".repeat(rest))),
      seq(this.#digits(l + 1, h - 1), repeat(this.#digit, rest, rest)),
      seq(this.#digits(h, h), this.#sameLength("0".repeat(rest), high.slice(1))),
    ]);
  }

  /** Matches what may follow the integer part: nothing, or a point and digits. */
  #fractions(low: Edge | undefined, high: Edge | undefined): Node {
    const { alt, seq, text } = bound(this.forest);
    const none = low && (low.digits !== "" || low.open) ? this.forest.none : this.forest.empty;
    const nothing = high && high.digits === "" && high.open ? this.forest.none : none;
    if (this.whole) return nothing;
    const room = Math.max(this.#fraction, reach(low), reach(high));
    return alt([nothing, seq(text("."), this.#digitsWithin(low, high, room, 0))]);
  }

  /** Matches further digits within the edges; at least one if `count` is 0. */
  #digitsWithin(low: Edge | undefined, high: Edge | undefined, room: number, count: number): Node {
    const { alt, seq, repeat } = bound(this.forest);
    const end = count > 0 && ends(low, high) ? this.forest.empty : this.forest.none;
    if (room === 0) return end;
    if (!low && !high) return repeat(this.#digit, count > 0 ? 0 : 1, room);
    const further = Array.from({ length: 10 }, (_, digit) => {
      const [l, h] = [next(low, digit, -1), next(high, digit, 1)];
      if (l === "out" || h === "out") return this.forest.none;
      return seq(this.#digits(digit, digit), this.#digitsWithin(l, h, room - 1, count + 1));
    });
    return alt([end, ...further]);
  }

  #digits(from: number, to: number): Node {
    return from > to ? this.forest.none : this.forest.bytes([[0x30 + from, 0x30 + to]]);
  }
}

/**
 * The number of fraction digits with which a number may approach a bound. It is 0 for an open bound with more digits
 * than a double: a number that close could be read as the bound itself.
 */
const reach = (edge: Edge | undefined): number =>
  !edge || (edge.open && edge.digits.replace(/^0+/, "").length > DIGITS) ? 0 : edge.digits.length;
