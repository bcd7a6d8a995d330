import type { Forest, Node, Range } from "./forest.ts";

/** A set of code points: ascending ranges that do not touch. */
export type Points = readonly Range[];

/** All code points except surrogates, which UTF-8 cannot encode. */
export const ALL: Points = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

export const points = (text: string): Points => union(Array.from(text, (c) => [c.codePointAt(0)!, c.codePointAt(0)!]));

export function union(ranges: readonly Range[]): Points {
  const joined: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

export function without(set: Points, other: Points): Points {
  let remaining: Range[] = [...set];
  for (const [from, to] of other)
    remaining = remaining.flatMap(([a, b]): Range[] =>
      [[a, Math.min(b, from - 1)] as const, [Math.max(a, to + 1), b] as const].filter(([x, y]) => x <= y),
    );
  return remaining;
}

export const has = (set: Points, point: number): boolean => set.some(([from, to]) => from <= point && point <= to);

/** One character of the set, as UTF-8. */
export const utf8Node = (forest: Forest, set: Points): Node =>
  forest.alt(set.flatMap(([from, to]) => byLength(from, to).map(([a, b]) => between(forest, encode(a), encode(b)))));

/** Splits a range where the number of UTF-8 bytes changes. */
function byLength(from: number, to: number): Range[] {
  const cuts = [0, 0x80, 0x800, 0x10000, 0x110000];
  return cuts
    .slice(1)
    .map((end, i): Range => [Math.max(from, cuts[i]!), Math.min(to, end - 1)])
    .filter(([a, b]) => a <= b);
}

const encode = (point: number): number[] => [...Buffer.from(String.fromCodePoint(point))];

/** Texts of equal byte length, from `low` to `high` in byte order. */
function between(forest: Forest, low: readonly number[], high: readonly number[]): Node {
  const [[l, ...lows], [h, ...highs]] = [low, high] as [[number, ...number[]], [number, ...number[]]];
  if (low.length === 1) return forest.bytes([[l, h]]);
  if (l === h) return forest.seq(forest.bytes([[l, l]]), between(forest, lows, highs));
  const [least, most] = [lows.map(() => 0x80), lows.map(() => 0xbf)];
  const any = between(forest, least, most);
  return forest.alt([
    forest.seq(forest.bytes([[l, l]]), between(forest, lows, most)),
    ...(h - l > 1 ? [forest.seq(forest.bytes([[l + 1, h - 1]]), any)] : []),
    forest.seq(forest.bytes([[h, h]]), between(forest, least, highs)),
  ]);
}
