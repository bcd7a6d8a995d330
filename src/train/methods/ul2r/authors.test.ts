/** Compares spans, inputs and targets with T5's own code. */
import { expect, test } from "vitest";
import { authorsFixture } from "../../../util/authors.testing.ts";
import { hiddenSpans } from "./sequence.ts";
import { spanCounts } from "./spans.ts";

interface Counts {
  length: number;
  rate: number;
  meanSpan: number;
  hidden: number;
  spans: number;
}
interface Fixture {
  cases: { rate: number; meanSpan: number; mask: number[]; inputs: number[]; targets: number[] }[];
  counts: Counts[];
  /** The counts for 10 tokens at a rate of a quarter, of which 2.5 would be hidden. */
  halves: Counts;
}
const { cases, counts, halves } = authorsFixture<Fixture>("authors.json", import.meta.url);

/** T5's sentinels are the last tokens of its vocabulary, in descending order. */
const ids = {
  modes: { S2S: 0, NLU: 0, NLG: 0 },
  sentinels: Array.from({ length: 100 }, (_, i) => 999 - i),
  end: undefined,
};

test.each(cases)("inputs and targets at a rate of $rate, spans of $meanSpan", ({ mask, inputs, targets }) => {
  expect(hiddenSpans([...mask.keys()], Uint8Array.from(mask), ids)).toEqual({ inputs, targets });
});

test.each(counts)("$length tokens, rate $rate, spans of $meanSpan", ({ length, hidden, spans, ...rule }) => {
  expect(spanCounts(length, { ...rule, roll: false })).toEqual({ hidden, spans });
});

test("halves are rounded up; T5 rounds them to even numbers", () => {
  const { length, rate, meanSpan, ...theirs } = halves;
  expect(theirs).toEqual({ hidden: 2, spans: 2 });
  expect(spanCounts(length, { rate, meanSpan, roll: false })).toEqual({ hidden: 3, spans: 3 });
});
