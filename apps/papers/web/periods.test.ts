import { expect, test } from "vitest";
import { beside, dayFrom, periodFrom, rangeOf, rangeText } from "./periods.ts";

test("a week runs from Monday to Sunday and a month to its last day, also across years", () => {
  expect(rangeOf("week", "2025-12-10")).toEqual({ from: "2025-12-08", to: "2025-12-14" });
  expect(rangeOf("week", "2025-12-14")).toEqual({ from: "2025-12-08", to: "2025-12-14" });
  expect(rangeOf("week", "2026-01-01")).toEqual({ from: "2025-12-29", to: "2026-01-04" });
  expect(rangeOf("month", "2024-02-10")).toEqual({ from: "2024-02-01", to: "2024-02-29" });
  expect(rangeOf("all", "2024-02-10")).toBeUndefined();
});

test("neighbours are the nearest days with papers outside the range", () => {
  const days = ["2025-12-20", "2025-12-15", "2025-12-10", "2025-12-01", "2025-11-30"];
  expect(beside(days, { from: "2025-12-08", to: "2025-12-14" })).toEqual({ before: "2025-12-01", after: "2025-12-15" });
  expect(beside(days, { from: "2025-12-15", to: "2025-12-20" }).after).toBeUndefined();
});

test("titles and faults are plain words", () => {
  expect(rangeText("month", rangeOf("month", "2025-12-10"))).toBe("December 2025");
  expect(rangeText("day", rangeOf("day", "2025-12-10"))).toBe("10 December 2025");
  expect(() => periodFrom("year")).toThrow('expected day, week, month, all, got "year"');
  expect(() => dayFrom("date", "2025-02-30")).toThrow("date: there is no such day");
});
