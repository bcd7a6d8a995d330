import { describe, expect, test } from "vitest";
import { UserError } from "../util/errors.ts";
import { parseSince } from "./since.ts";

const now = Date.UTC(2026, 5, 15, 12, 0, 0);
const ago = (seconds: number): Date => new Date(now - seconds * 1000);

test.each([
  ["90s", 90],
  ["15m", 900],
  ["2h", 7200],
  ["1.5h", 5400],
  ["7d", 7 * 86_400],
  ["2w", 14 * 86_400],
  ["0s", 0],
])("%s is that long before now", (text, seconds) => {
  expect(parseSince(text, now)).toEqual(ago(seconds));
});

describe("dates", () => {
  test("a date alone is local midnight", () => {
    expect(parseSince("2026-01-31", now)).toEqual(new Date(2026, 0, 31));
  });

  test("a time without a zone is local", () => {
    expect(parseSince("2026-01-31T09:05", now)).toEqual(new Date(2026, 0, 31, 9, 5));
    expect(parseSince("2026-01-31T09:05:06.700", now)).toEqual(new Date(2026, 0, 31, 9, 5, 6, 700));
  });

  test("a time with a zone uses that zone", () => {
    expect(parseSince("2026-01-31T09:05:00Z", now)).toEqual(new Date(Date.UTC(2026, 0, 31, 9, 5)));
    expect(parseSince("2026-01-31T09:05:00+02:00", now)).toEqual(new Date(Date.UTC(2026, 0, 31, 7, 5)));
  });
});

test.each(["9999999999999d", `${"9".repeat(400)}s`])("%s ago is before every receipt", (text) => {
  expect(parseSince(text)).toEqual(new Date(0));
});

test.each([
  "",
  "yesterday",
  "2026-02-30",
  "2026-13-01",
  "31.01.2026",
  "-2h",
  "2 h",
  "h",
  "5y",
  "2026-01-31T25:00",
  "1e3s",
])("%o is refused in one sentence with exit status 2", (text) => {
  const attempt = () => parseSince(text, now);
  expect(attempt).toThrow(UserError);
  expect(attempt).toThrow(
    `"${text}" is not a time; expected a duration such as 2h or 7d, or a date such as 2026-01-31`,
  );
  try {
    attempt();
  } catch (error) {
    expect((error as UserError).exitCode).toBe(2);
  }
});
