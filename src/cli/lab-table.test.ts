import { expect, test } from "vitest";
import { sampleSummary } from "../lab/report/sample.testing.ts";
import { summaryTable } from "./lab-table.ts";

test("a single item is shown in the singular", () => {
  const search = { search: "xattention:threshold=0.5..1", probes: 1, flops: 1e9, minutes: 1, ended: "budget" } as const;
  const lines = summaryTable({ ...sampleSummary(1), items: 1, too_long: 0, searches: [search] });
  expect(lines[0]).toMatch(/: 1 item$/);
  expect(lines.at(-1)).toBe("xattention:threshold=0.5..1: 1 probe, 1.00e+9 FLOPs, 1.0 minutes; stopped by the budget");
});
