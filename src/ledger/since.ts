import { z } from "zod";
import { UserError } from "../util/errors.ts";

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

const isoDate = z.iso.date();
const isoTime = z.iso.datetime({ local: true, offset: true });

/** Parses a time: a duration before `now` (`90s`, `15m`, `2h`, `7d`, `2w`), or an ISO date or time, local unless it names a zone. */
export function parseSince(text: string, now: number = Date.now()): Date {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text) ?? [];
  // No receipt is older than 1970, and JavaScript's dates reach back only some 270,000 years further.
  if (amount !== undefined && unit !== undefined)
    return new Date(Math.max(0, now - Number(amount) * SECONDS[unit]! * 1000));
  // A bare date would be read as midnight in UTC; people mean their local midnight.
  if (isoDate.safeParse(text).success) return new Date(`${text}T00:00`);
  if (isoTime.safeParse(text).success) return new Date(text);
  throw new UserError(`"${text}" is not a time; expected a duration such as 2h or 7d, or a date such as 2026-01-31`, 2);
}
