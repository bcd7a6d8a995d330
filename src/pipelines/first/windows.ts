import type { FirstOptions } from "./options.ts";

/** A window's range of list indices, `from` inclusive, `to` exclusive. */
export type Window = readonly [from: number, to: number];

type Places = Pick<FirstOptions, "windowSize" | "stride" | "rankStart" | "rankEnd" | "numPasses">;

/**
 * The windows of a list of `count` items, from back to front, so that the tail's best items can reach the front. One
 * pass orders the first windowSize − stride items correctly if every window does; later items may be wrong.
 */
export function windowsOf(count: number, { numPasses, ...places }: Places): Window[] {
  const once = onePass(count, places);
  return Array.from({ length: numPasses }, () => once).flat();
}

function onePass(count: number, { windowSize, stride, rankStart, rankEnd }: Omit<Places, "numPasses">): Window[] {
  const windows: Window[] = [];
  let end = Math.min(rankEnd, count);
  if (end <= rankStart) return windows;
  let start = Math.max(end - windowSize, rankStart);
  for (;;) {
    windows.push([start, end]);
    if (start === rankStart) return windows;
    end -= stride;
    start = Math.max(start - stride, rankStart);
  }
}
