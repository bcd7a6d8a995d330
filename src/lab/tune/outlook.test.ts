import { expect, test } from "vitest";
import { outlookOf, wantedGroups } from "./outlook.ts";

const bound = (risk: number) => ({ risk, confidence: 0.95 });
const items = (count: number, groupOf = (i: number) => i) =>
  Array.from({ length: count }, (_, i) => ({ id: `${i}`, group: `${groupOf(i)}`, tokens: 10 }));

test("200 items leave 134 for the test of losses between 0 and 1, and 0.02 needs 223 with losses of 0 or 1", () => {
  expect(outlookOf(items(200), "unit", bound(0.05))).toMatchObject({ items: 200, groups: 200, test: 134 });
  expect(outlookOf(items(200), "binary", bound(0.02))).toMatchObject({ wanted: { all: 223, test: 149 } });
  expect(outlookOf(items(200), "binary", bound(0.05))).toMatchObject({ wanted: { all: 88, test: 59 } });
});

test("the best certificate is the least risk of a test that loses nothing", () => {
  // 1 − 0.05 ^ (1 / 124)
  expect(outlookOf(items(200), "binary", bound(0.05)).best).toBeCloseTo(0.02387, 4);
  expect(outlookOf(items(10), "binary", bound(0.05)).best).toBeCloseTo(0.34816, 4);
});

test("groups count, not items", () => {
  expect(
    outlookOf(
      items(200, (i) => i % 20),
      "binary",
      bound(0.05),
    ),
  ).toMatchObject({ groups: 20, test: 14 });
});

test("the groups that a near miss needs", () => {
  const losses = Array.from({ length: 60 }, (_, i) => (i === 30 ? 1 : 0));
  const wanted = wantedGroups(losses, "binary", bound(0.05));
  expect(wanted).toBeGreaterThan(60);
  expect(wanted).toBeLessThan(140);
  expect(
    wantedGroups(
      losses.map((_, i) => (i % 10 === 0 ? 1 : 0)),
      "binary",
      bound(0.05),
    ),
  ).toBeUndefined();
});
