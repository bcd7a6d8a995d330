/** Masks from compiled choosers, and the inputs for computing masks by brute force. */
import type { BlockMask } from "./block-mask.ts";
import type { BlockChooser } from "./chooser.ts";
import { config, type Rig, randomPrompt } from "./kernels.testing.ts";
import { chunkOf, type Head, probabilities } from "./oracle.testing.ts";

const { heads } = config;
export const blockSize = 32;
export const length = 395;
const prompt = randomPrompt(21, length);
export const chunks = [
  [0, length],
  [160, 200],
] as const;

export async function maskOf(
  rig: Rig,
  chooser: BlockChooser,
  [past, tokens]: readonly [past: number, tokens: number],
  denseFrom = Number.POSITIVE_INFINITY,
): Promise<BlockMask> {
  return chooser.choose(rig.placed(await rig.place(prompt, past, tokens)), denseFrom);
}

/** Blocks as text, one line per row, to compare two masks. */
export const drawn = (mask: BlockMask): string[] =>
  Array.from({ length: mask.heads * mask.rows }, (_, i) => {
    const [head, row] = [Math.floor(i / mask.rows), i % mask.rows];
    return `head ${head}, block ${mask.rowOffset + row}: ${mask.row(head, row).join()}`;
  });

export const requestOf = (past: number, tokens: number) => {
  const rowOffset = past / blockSize;
  const cols = Math.ceil((past + tokens) / blockSize);
  return { heads, rows: cols - rowOffset, rowOffset, cols };
};

export const flat = (past: number, tokens: number, f: (head: Head) => Iterable<number>) =>
  Float64Array.from(prompt.flatMap((head) => [...f(chunkOf(head, past, tokens))]));

/** The exact attention probabilities of the last `queries` queries, [heads, queries, keys]. */
export function lastOf(past: number, tokens: number, queries: number) {
  const keys = past + tokens;
  const padded = (row: Float64Array) => [...row, ...new Array<number>(keys - row.length).fill(0)];
  return {
    probabilities: flat(past, tokens, (head) => probabilities(head).slice(-queries).flatMap(padded)),
    queries,
    keys,
  };
}
