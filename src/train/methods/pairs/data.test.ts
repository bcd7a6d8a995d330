import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { batchesOf, type Pair, readPairs, rowsOf, shuffledPairs } from "./data.ts";

const pair = (image: number, key: string, group: string): Pair => ({ image: `${image}`, caption: key, key, group });
/** Two groups of 40 pairs; each group has 10 different keys. */
const pairs = Array.from({ length: 80 }, (_, i) => pair(i, `k${i % 10}`, i < 40 ? "a" : "b"));

test("a batch has one group, and no key twice", () => {
  const rows = rowsOf(pairs, 8);
  expect(rows).toBe(8);
  expect(rowsOf(pairs, 99)).toBe(10);
  const batches = batchesOf(pairs, rows, 1);
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const batch = batches.next().value;
    expect(new Set(batch.map(({ group }) => group)).size).toBe(1);
    expect(new Set(batch.map(({ key }) => key)).size).toBe(rows);
    for (const { image } of batch) seen.add(image);
  }
  expect(seen.size).toBe(pairs.length);
});

test("the control gives each picture another's caption, each caption once", () => {
  const own = pairs.map((one, i) => ({ ...one, caption: `c${i}` }));
  const others = shuffledPairs(own, 3);
  expect(others.every(({ caption }, i) => caption !== own[i]!.caption)).toBe(true);
  expect(new Set(others.map(({ caption }) => caption)).size).toBe(own.length);
});

test("pairs of several files, with each picture's path relative to its own file's folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-pairs-"));
  const files = ["a", "b"].map((name) => {
    mkdirSync(join(folder, name));
    const file = join(folder, name, "pairs.jsonl");
    writeFileSync(file, `${JSON.stringify({ image: "0.png", caption: name })}\n`);
    return file;
  });
  expect(readPairs(files).map(({ image, caption }) => [image, caption])).toEqual(
    ["a", "b"].map((name) => [join(folder, name, "0.png"), name]),
  );
  expect(() => readPairs(files.slice(0, 1))).toThrow(
    `${files[0]}: got 1 pictures with captions, expected at least two`,
  );
  rmSync(folder, { recursive: true });
});
