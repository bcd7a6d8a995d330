import type { Truncation } from "./answerer.ts";

/**
 * Returns at most `room` of the ids, cut according to `truncate`; undefined if there are more and `truncate` is absent.
 */
export function cut(
  ids: readonly number[],
  room: number,
  truncate: Truncation | undefined,
): readonly number[] | undefined {
  if (ids.length <= room) return ids;
  if (room < 1) return undefined;
  switch (truncate) {
    case undefined:
      return undefined;
    case "left":
      return ids.slice(ids.length - room);
    case "middle": {
      const head = Math.floor(room / 2);
      return [...ids.slice(0, head), ...ids.slice(ids.length - (room - head))];
    }
  }
}
