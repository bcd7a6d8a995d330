import { expect, test } from "vitest";
import { mean } from "../../src/util/mean.ts";
import type { Kind } from "./arms.ts";
import { MIXED, matchedLines, tuningLines } from "./matched-lines.ts";

const lines = matchedLines();
const kinds = [...new Set(lines.map(({ kind }) => kind))];
const WHOLE = Math.max(...tuningLines().map(({ steps }) => steps));

/** Rates of a kind with their held-out losses after all steps, ascending. */
const ratesOf = (kind: Kind) =>
  tuningLines()
    .filter((line) => line.kind === kind && line.steps === WHOLE)
    .toSorted((a, b) => a.rate - b.rate);

test.each(kinds)("%s: the rate is best, with a worse one on either side", (kind) => {
  const rates = ratesOf(kind);
  const best = rates.findIndex(({ loss }) => loss === Math.min(...rates.map((line) => line.loss)));
  expect(best).toBeGreaterThan(0);
  expect(best).toBeLessThan(rates.length - 1);
  expect(lines.some((line) => line.kind === kind && line.rate === rates[best]!.rate)).toBe(true);
});

test("all kinds have about the loss of the worst one", () => {
  const lossOf = (kind: Kind, short: boolean) =>
    mean(lines.filter((line) => line.kind === kind && line.steps < WHOLE === short).map(({ loss }) => loss.fp32));
  for (const kind of kinds.filter((one) => one !== "gpt2"))
    expect(Math.abs(lossOf(kind, true) - lossOf("gpt2", false))).toBeLessThan(0.1);
});

test("a model trained in mixed precision is nearer to its float32 self than another seed is", () => {
  for (const { arms } of lines) expect(arms[MIXED]!.kl).toBeLessThan(arms["another seed"]!.kl);
});
