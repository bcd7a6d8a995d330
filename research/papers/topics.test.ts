import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { reference } from "../../apps/papers/src/reference.ts";
import { FITS } from "../../apps/papers/src/topics.ts";
import judged from "./results/topics.json" with { type: "json" };

test("the committed figures are of this reference collection, on which the bound is the best", () => {
  expect(judged.reference).toBe(createHash("sha256").update(JSON.stringify(reference)).digest("hex"));
  const best = judged.bound.onReference.toSorted((a, b) => b.accuracy - a.accuracy)[0]!;
  expect([FITS, judged.bound.used]).toEqual([best.bound, best.bound]);
});
