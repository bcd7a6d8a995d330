import { UserError } from "modicum";
import type { Day } from "../paper.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DATE = new RegExp(`^(${MONTHS.join("|")}) (\\d{1,2})(?:, (\\d{4}))?(?: (\\d+))?$`);

/** A line such as `Dec 17, 2024 2`: a date, and the number of comments. */
export interface DateLine {
  readonly month: number;
  readonly day: number;
  /** The year; undefined if the line has none. */
  readonly year: number | undefined;
  /** The number of comments; 0 if the line has none. */
  readonly comments: number;
}

/** Parses `Mon D[, YYYY][ C]`; undefined for other lines. */
export function dateLine(line: string): DateLine | undefined {
  const [, month, day, year, comments] = DATE.exec(line.trim()) ?? [];
  if (month === undefined) return undefined;
  return {
    ...{ month: MONTHS.indexOf(month) + 1, day: Number(day) },
    ...{ year: year === undefined ? undefined : Number(year), comments: Number(comments ?? 0) },
  };
}

/**
 * The year for a page's dates that lack one: `stated`, else the year after the latest year on the page, since the site
 * omits the current year. The clock is not used.
 * @throws UserError if neither exists
 */
export function yearOf(dates: readonly DateLine[], stated: number | undefined): number {
  const years = dates.flatMap(({ year }) => year ?? []);
  if (stated !== undefined) return stated;
  if (years.length > 0) return Math.max(...years) + 1;
  throw new UserError("no date of this page has a year; set it with --year", 2);
}

/** The date as `2025-12-10`, which may not exist in the calendar. */
export function dayOf({ month, day, year }: DateLine, usual: number): Day {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${String(year ?? usual).padStart(4, "0")}-${two(month)}-${two(day)}`;
}
