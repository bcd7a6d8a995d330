import { expect, test } from "vitest";
import { countsOf } from "./analysis.ts";
import { BLOCK, numbersOf, PostingRemover, PostingWriter, postingsIn, without } from "./postings.ts";

/** The postings of one term in every chunk, one blob per block. */
function blobs(chunks: readonly number[], count = 1, length = 7): Map<number, Uint8Array> {
  const writer = new PostingWriter();
  for (const chunk of chunks) writer.add(chunk, countsOf(Array(count).fill("jet")), length);
  return new Map([...writer.blobs()].map(({ block, data }) => [block, data]));
}

test("a posting is its place in the block, the count, and the chunk's length", () => {
  const all = blobs([5, BLOCK - 1, BLOCK + 2], 3, 100_000);
  expect([...all.keys()]).toEqual([0, 1]);
  expect(postingsIn({ data: all.get(0)! })).toBe(2);
  const [a, length, b] = numbersOf(all.get(0)!);
  expect([a! & 0xffff, a! >>> 16, length, b! & 0xffff]).toEqual([5, 3, 100_000, BLOCK - 1]);
  expect(numbersOf(all.get(1)!)[0]! & 0xffff).toBe(2);
});

test("counts beyond 16 bits stay the largest", () => {
  expect(numbersOf(blobs([1], 70_000).get(0)!)[0]! >>> 16).toBe(0xffff);
});

test("blobs at any offset are read", () => {
  const data = blobs([5, 6]).get(0)!;
  const shifted = new Uint8Array(data.length + 1);
  shifted.set(data, 1);
  expect(numbersOf(shifted.subarray(1))).toEqual(numbersOf(data));
});

test("removed postings are gone, the rest unchanged; an empty blob is undefined", () => {
  const remover = new PostingRemover();
  remover.add(6, ["jet"]);
  remover.add(BLOCK + 1, ["jet"]);
  const all = blobs([5, 6, 7, BLOCK + 1]);
  const remaining = [...remover.places()].map(({ block, places }) => without(all.get(block)!, places));
  expect(remaining).toEqual([blobs([5, 7]).get(0), undefined]);
});
