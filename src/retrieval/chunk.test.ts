import { describe, expect, test } from "vitest";
import { seededRandom } from "../util/random.ts";
import { chunksOf } from "./chunk.ts";
import { wordSpans } from "./words.ts";

/** A text of random sentences and paragraphs. */
function randomText(seed: number): string {
  const random = seededRandom(seed);
  let word = 0;
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const sentence = () => `${Array.from({ length: upTo(25) }, () => `W${word++}`).join(" ")}.`;
  const paragraph = () => Array.from({ length: upTo(6) }, sentence).join(" ");
  return Array.from({ length: upTo(8) }, paragraph).join("\n\n");
}

const wordsOf = (text: string): string[] => text.match(/W\d+/g) ?? [];

describe.each([0, 1, 2, 3, 4, 5, 6, 7])("of random text %i", (seed) => {
  const text = randomText(seed);
  test.each([
    [1, 0],
    [7, 3],
    [40, 10],
    [40, 39],
    [10_000, 25],
  ])("chunks of %i words that overlap by %i", (words, overlap) => {
    const chunks = chunksOf(text, { words, overlap });
    for (const chunk of chunks) {
      expect(text).toContain(chunk);
      expect(chunk.trim()).toBe(chunk);
      expect(wordSpans(chunk).length).toBeLessThanOrEqual(words);
    }
    // Each word is in a chunk, in order; a chunk repeats the last words of the one before.
    let next = 0;
    for (const found of chunks.map(wordsOf)) {
      const start = wordsOf(text).indexOf(found[0]!);
      expect(start).toBeLessThanOrEqual(next);
      expect(next - start).toBeLessThanOrEqual(Math.min(overlap, (words - 1) / 2));
      expect(start + found.length).toBeGreaterThan(next);
      next = start + found.length;
    }
    expect(next).toBe(wordsOf(text).length);
  });
});

test("a chunk ends with a paragraph if it is at least half full there, else with a sentence", () => {
  const options = { words: 8, overlap: 0 };
  expect(chunksOf("A b c. D e.\n\nF g h. I j.", options)).toEqual(["A b c. D e.", "F g h. I j."]);
  expect(chunksOf("A b.\n\nC d e f. G h i j.", options)).toEqual(["A b.\n\nC d e f.", "G h i j."]);
});

test("the overlap repeats as many whole sentences as fit", () => {
  const text = "A one two. B three. C four five six.";
  expect(chunksOf(text, { words: 6, overlap: 2 })).toEqual(["A one two. B three.", "B three. C four five six."]);
  expect(chunksOf(text, { words: 6, overlap: 1 })).toEqual(["A one two. B three.", "C four five six."]);
});

test("text without words has no chunks; text without spaces is also cut", () => {
  for (const empty of ["", " \n\n \t"]) expect(chunksOf(empty, { words: 5, overlap: 0 })).toEqual([]);
  expect(chunksOf("x".repeat(100), { words: 1, overlap: 0 }).map(({ length }) => length)).toEqual([40, 40, 20]);
  expect(chunksOf("東京都に住む", { words: 4, overlap: 0 })).toEqual(["東京都に", "住む"]);
});
