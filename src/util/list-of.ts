import { z } from "zod";

/** The plural noun for a list's items, and the allowed number of items. */
interface Bounds {
  readonly of: string;
  readonly min?: number;
  readonly max: number;
}

/**
 * A list whose length is checked before its items, which are read up to the first fault. `z.array` alone reads all
 * items and keeps every fault, which takes minutes for a million items.
 */
export function listOf<T extends z.ZodType>(item: T, { of, min = 0, max }: Bounds) {
  const expected = `expected a list of ${min === 0 ? "at most" : `${min} to`} ${max} ${of}`;
  const list = z.array(item, expected).min(min, expected).max(max, expected);
  return z.preprocess((value) => (Array.isArray(value) ? upToFault(item, value, max) : value), list);
}

/** The items for `z.array` to check, up to the first fault; undefined if the list is too long. */
function upToFault(item: z.ZodType, value: readonly unknown[], max: number): readonly unknown[] | undefined {
  if (value.length > max) return undefined;
  const fault = value.findIndex((one) => !item.safeParse(one).success);
  return fault < 0 ? value : value.slice(0, fault + 1);
}
