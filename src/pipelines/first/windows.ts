import type { FirstOptions } from "./options.ts";

/** Places from..to of the list, `to` excluded. */
export type Window = readonly [from: number, to: number];

type Places = Pick<FirstOptions, "windowSize" | "stride" | "rankStart" | "rankEnd" | "numPasses">;

/**
 * The windows over a list of `count`, from back to front, so that the best of the tail can come to the front. One pass
 * orders the first windowSize − stride places right if every window is ordered right; later places may be off.
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
