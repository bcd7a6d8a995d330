/** Heads whose queries point at chosen keys, and the share of these keys that a mask keeps. */
import type { LastAttention } from "../last-attention.ts";
import type { BlockMask } from "./block-mask.ts";
import { type Head, keysOf, probabilities, randomHead } from "./oracle.testing.ts";

export const blockSize = 16;
export const length = 16 * 40;
export const request = { heads: 1, rows: 40, rowOffset: 0 };

/** Exact attention of a head's last queries; masked entries are zero. */
export function lastAttention(head: Head, queries: number): LastAttention {
  const keys = keysOf(head);
  const rows = probabilities(head).slice(-queries);
  return {
    probabilities: Float32Array.from(rows.flatMap((row) => [...row, ...new Array(keys - row.length).fill(0)])),
    queries,
    keys,
  };
}

/** A random head whose queries all point at the keys `targets(position)`. */
export function plant(seed: number, strength: number, targets: (position: number) => number[], size = length): Head {
  const head = randomHead(seed, size, 32);
  for (let i = 0; i < size; i++)
    for (const key of targets(i))
      if (key >= 0 && key <= i) for (let x = 0; x < 32; x++) head.q[i * 32 + x]! += strength * head.k[key * 32 + x]!;
  return head;
}

export const column = (mask: BlockMask, block: number, head = 0) =>
  Array.from({ length: mask.rows }, (_, row) => row)
    .filter((row) => mask.rowOffset + row >= block)
    .every((row) => mask.has(head, row, block));

export const blockDiagonal = (mask: BlockMask, distance: number, head = 0) =>
  Array.from({ length: mask.rows }, (_, row) => row)
    .filter((row) => mask.rowOffset + row >= distance)
    .every((row) => mask.has(head, row, mask.rowOffset + row - distance));
