import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Buckets, bucketOf } from "./relative.ts";

/** transformers' results: tools/reference/t5.py. */
const fixture = new URL("../models/fixtures/t5/seq2seq.json", import.meta.url);
const references: (Buckets & { rows: number[] })[] = JSON.parse(readFileSync(fixture, "utf8")).buckets;

test.each(references)("$buckets buckets up to $reach, both sides: $bidirectional", ({ rows, ...of }) => {
  expect(rows.length).toBe(2 * of.reach + 1);
  expect(rows.map((_, i) => bucketOf(i - of.reach, of))).toEqual(rows);
});

test("farther distances have the last distance's bucket", () => {
  for (const { rows, ...of } of references)
    for (const far of [1, 2, 1000]) {
      expect(bucketOf(-of.reach - far, of)).toBe(rows[0]);
      expect(bucketOf(of.reach + far, of)).toBe(rows.at(-1));
    }
});
