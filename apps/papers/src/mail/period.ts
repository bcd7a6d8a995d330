import type { Day } from "../paper.ts";
import type { Frequency } from "./wish.ts";

const DAY = 86_400_000;

export const dayAt = (ms: number): Day => new Date(ms).toISOString().slice(0, 10);

/** The name of the UTC day or week that a time is in; weeks begin on Monday. Subscribers get one digest per period. */
export function periodAt(frequency: Frequency, ms: number): string {
  switch (frequency) {
    case "daily":
      return dayAt(ms);
    case "weekly":
      return `week of ${dayAt(ms - ((new Date(ms).getUTCDay() + 6) % 7) * DAY)}`;
  }
}

/** The first day of listings for a digest whose last day is `newest`. */
export function firstDay(frequency: Frequency, newest: Day): Day {
  switch (frequency) {
    case "daily":
      return newest;
    case "weekly":
      return dayAt(Date.parse(newest) - 6 * DAY);
  }
}
