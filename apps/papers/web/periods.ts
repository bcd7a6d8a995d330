import { UserError } from "modicum";
import { type Day, daySchema } from "../src/paper.ts";

const periods = ["day", "week", "month", "all"] as const;
export type Periods = (typeof periods)[number];

/** The first and last day of listing, both inclusive. */
export interface Range {
  readonly from: Day;
  readonly to: Day;
}

const MILLISECONDS = 86_400_000;

const shifted = (day: Day, by: number): Day => new Date(Date.parse(day) + by * MILLISECONDS).toISOString().slice(0, 10);

/** The day itself, its week from Monday to Sunday, or its month; all days have no range. */
export function rangeOf(period: Periods, day: Day): Range | undefined {
  switch (period) {
    case "day":
      return { from: day, to: day };
    case "week": {
      const from = shifted(day, -((new Date(day).getUTCDay() + 6) % 7));
      return { from, to: shifted(from, 6) };
    }
    case "month": {
      const date = new Date(day);
      const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0));
      return { from: `${day.slice(0, 8)}01`, to: last.toISOString().slice(0, 10) };
    }
    case "all":
      return undefined;
  }
}

/** The nearest days with papers before and after a range; `days` are sorted newest first. */
export const beside = (
  days: readonly Day[],
  { from, to }: Range,
): { before?: Day | undefined; after?: Day | undefined } => ({
  before: days.find((day) => day < from),
  after: days.findLast((day) => day > to),
});

const long = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const monthly = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });

/** `10 December 2025`. */
export const dayText = (day: Day): string => long.format(new Date(day));

export function rangeText(period: Periods, range: Range | undefined): string {
  if (range === undefined) return "all days";
  if (period === "month") return monthly.format(new Date(range.from));
  return period === "week" ? long.formatRange(new Date(range.from), new Date(range.to)) : dayText(range.from);
}

/** Parses the period in an address; `day` by default. @throws UserError */
export function periodFrom(text: string | undefined): Periods {
  const found = periods.find((period) => period === (text || "day"));
  if (!found) throw new UserError(`period: expected ${periods.join(", ")}, got "${text}"`, 2);
  return found;
}

/** Parses the day in an address; undefined if the address has no day. @throws UserError */
export function dayFrom(name: string, text: string | undefined): Day | undefined {
  if (text === undefined || text === "") return undefined;
  const { data, error } = daySchema.safeParse(text);
  if (data !== undefined) return data;
  throw new UserError(`${name}: ${error.issues[0]!.message}, got "${text}"`, 2);
}
