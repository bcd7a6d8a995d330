/**
 * Reference for tests: every part of XAttention by brute force in float64, for one head. Logits are computed pair by
 * pair from the definition of the pattern, never regrouped (except in `regroupedLogits`, the form under test). Queries
 * are the last `queries` of `keys` positions; blocks and groups are aligned to absolute positions.
 */
import { seededRandom } from "../../../util/random.ts";
import type { XattentionOptions } from "../xattention/options.ts";
import { queryOrder } from "../xattention/pattern.ts";
import type { BlockMask } from "./block-mask.ts";

export interface Head {
  /** `[queries, headDim]` */
  q: Float64Array;
  /** `[keys, headDim]` */
  k: Float64Array;
  /** `[keys, headDim]` */
  v: Float64Array;
  headDim: number;
}

export interface ScoringOptions extends Pick<XattentionOptions, "select" | "stride" | "blockSize"> {
  seed?: number;
  alternateShift?: boolean;
}

/** `[rows, cols]` scores of query blocks from `rowOffset` on. */
export interface BlockScores {
  scores: Float64Array;
  rows: number;
  cols: number;
  rowOffset: number;
}

const queriesOf = (head: Head) => head.q.length / head.headDim;
export const keysOf = (head: Head) => head.k.length / head.headDim;
const pastOf = (head: Head) => keysOf(head) - queriesOf(head);

/** A head with independent standard normal entries. */
export function randomHead(seed: number, length: number, headDim: number): Head {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const matrix = () => Float64Array.from({ length: length * headDim }, normal);
  return { q: matrix(), k: matrix(), v: matrix(), headDim };
}

/** The `queries` queries of a prompt after `past` tokens, with all keys up to their end. */
export const chunkOf = (head: Head, past: number, queries: number): Head => ({
  ...head,
  q: head.q.slice(past * head.headDim, (past + queries) * head.headDim),
  k: head.k.slice(0, (past + queries) * head.headDim),
  v: head.v.slice(0, (past + queries) * head.headDim),
});

/** Entry of QK^T / sqrt(d); a query or key past the end is a zero row. */
function logit({ q, k, headDim }: Head, query: number, key: number): number {
  let dot = 0;
  for (let i = 0; i < headDim; i++) dot += (q[query * headDim + i] ?? 0) * (k[key * headDim + i] ?? 0);
  return dot / Math.sqrt(headDim);
}

function softmax(row: Float64Array): Float64Array {
  const max = row.reduce((a, b) => Math.max(a, b));
  const exp = row.map((z) => Math.exp(z - max));
  const sum = exp.reduce((a, b) => a + b);
  return exp.map((e) => e / sum);
}

/** Softmax rows of causal attention; row i has `past + i + 1` entries. */
export function probabilities(head: Head): Float64Array[] {
  return Array.from({ length: queriesOf(head) }, (_, i) =>
    softmax(Float64Array.from({ length: pastOf(head) + i + 1 }, (_, j) => logit(head, i, j))),
  );
}

function weightedValues({ v, headDim }: Head, weights: (key: number) => number, keys: number): Float64Array {
  const out = new Float64Array(headDim);
  for (let key = 0; key < keys; key++) {
    const weight = weights(key);
    if (weight !== 0) for (let i = 0; i < headDim; i++) out[i]! += weight * v[key * headDim + i]!;
  }
  return out;
}

/** Dense causal attention, `[queries, headDim]`. */
export function denseAttention(head: Head): Float64Array {
  return Float64Array.from(
    probabilities(head).flatMap((row) => [...weightedValues(head, (key) => row[key]!, row.length)]),
  );
}

/** Causal attention over the kept blocks of one head of a mask, `[queries, headDim]`. */
export function sparseAttention(head: Head, mask: BlockMask, maskHead: number, blockSize: number): Float64Array {
  const rows = Array.from({ length: queriesOf(head) }, (_, i) => {
    const position = pastOf(head) + i;
    const row = Math.floor(position / blockSize) - mask.rowOffset;
    const visible = Float64Array.from({ length: position + 1 }, (_, key) =>
      mask.has(maskHead, row, Math.floor(key / blockSize)) ? logit(head, i, key) : Number.NEGATIVE_INFINITY,
    );
    const weights = softmax(visible);
    return weightedValues(head, (key) => weights[key]!, position + 1);
  });
  return Float64Array.from(rows.flatMap((row) => [...row]));
}

function emptyScores(head: Head, blockSize: number): BlockScores {
  const rowOffset = Math.floor(pastOf(head) / blockSize);
  const cols = Math.ceil(keysOf(head) / blockSize);
  const rows = cols - rowOffset;
  return { scores: new Float64Array(rows * cols), rows, cols, rowOffset };
}

/** Exact attention mass of every block. */
export function exactBlockMass(head: Head, blockSize: number): BlockScores {
  const mass = emptyScores(head, blockSize);
  for (const [i, row] of probabilities(head).entries()) {
    const u = Math.floor((pastOf(head) + i) / blockSize) - mass.rowOffset;
    for (const [key, p] of row.entries()) mass.scores[u * mass.cols + Math.floor(key / blockSize)]! += p;
  }
  return mass;
}

/** True if entry (r, c) is sampled in tiles of this row. */
function isSampled(options: ScoringOptions, tileRow: number, r: number, c: number): boolean {
  const { stride, select } = options;
  switch (select) {
    case "antidiagonal": {
      const shift = options.alternateShift && tileRow % 2 === 1 ? 1 : 0;
      return (r + c) % stride === (stride - 1 + shift) % stride;
    }
    case "diagonal":
      return r === c;
    case "random":
      return (
        queryOrder({ select, stride, groups: 1, firstGroup: tileRow, seed: options.seed ?? 0, alternateShift: false })[
          c
        ] === r
      );
    case "mean-pool":
      return true;
  }
}

const groupsOf = (tokens: number, stride: number) => Math.ceil(tokens / stride);

function pastGroups(head: Head, stride: number): number {
  const groups = pastOf(head) / stride;
  if (!Number.isInteger(groups)) throw new Error(`past ${pastOf(head)} is not a multiple of stride ${stride}`);
  return groups;
}

/** Mean of the sampled logits of every causal tile: row i has `past / stride + i + 1` entries. */
export function sampledLogits(head: Head, options: ScoringOptions): Float64Array[] {
  const { stride } = options;
  const past = pastGroups(head, stride);
  return Array.from({ length: groupsOf(queriesOf(head), stride) }, (_, i) => {
    const pairs: [number, number][] = [];
    for (let r = 0; r < stride; r++)
      for (let c = 0; c < stride; c++) if (isSampled(options, past + i, r, c)) pairs.push([r, c]);
    return Float64Array.from({ length: past + i + 1 }, (_, j) => {
      const sum = pairs.reduce((z, [r, c]) => z + logit(head, i * stride + r, j * stride + c), 0);
      return sum / pairs.length;
    });
  });
}

/** The same logits, each as one inner product of regrouped queries and keys: the form that a compiled scorer uses. */
export function regroupedLogits(
  head: Head,
  options: ScoringOptions & { select: "antidiagonal" | "diagonal" | "random" },
) {
  const { stride } = options;
  const { q, k, headDim } = head;
  const groups = groupsOf(queriesOf(head), stride);
  const past = pastGroups(head, stride);
  const order = queryOrder({ seed: 0, alternateShift: false, ...options, groups, firstGroup: past });
  return Array.from({ length: groups }, (_, i) => {
    const left = Float64Array.from({ length: stride * headDim }, (_, x) => {
      const query = order[i * stride + Math.floor(x / headDim)]!;
      return q[query * headDim + (x % headDim)] ?? 0;
    });
    return Float64Array.from({ length: past + i + 1 }, (_, j) => {
      const start = j * stride * headDim;
      return left.reduce((sum, x, at) => sum + x * (k[start + at] ?? 0), 0) / (Math.sqrt(headDim) * stride);
    });
  });
}

/** The block scores A for any pattern. Rows sum to 1 with `mean-pool`, and to their number of groups otherwise. */
export function blockScores(head: Head, options: ScoringOptions): BlockScores {
  const { select, stride, blockSize } = options;
  if (select === "mean-pool") return pooledScores(head, blockSize);
  const result = emptyScores(head, blockSize);
  const past = pastGroups(head, stride);
  for (const [i, row] of sampledLogits(head, options).entries()) {
    const u = Math.floor(((past + i) * stride) / blockSize) - result.rowOffset;
    for (const [j, p] of softmax(row).entries())
      result.scores[u * result.cols + Math.floor((j * stride) / blockSize)]! += p;
  }
  return result;
}

/** The softmax, over causal key blocks, of the mean logit of a block's real pairs. */
function pooledScores(head: Head, blockSize: number): BlockScores {
  const result = emptyScores(head, blockSize);
  const past = pastOf(head);
  const range = (block: number, from: number, to: number) => [
    Math.max(block * blockSize, from),
    Math.min((block + 1) * blockSize, to),
  ];
  for (let row = 0; row < result.rows; row++) {
    const u = result.rowOffset + row;
    const [q0, q1] = range(u, past, keysOf(head)) as [number, number];
    const means = Float64Array.from({ length: u + 1 }, (_, v) => {
      const [k0, k1] = range(v, 0, keysOf(head)) as [number, number];
      let sum = 0;
      for (let query = q0; query < q1; query++)
        for (let key = k0; key < k1; key++) sum += logit(head, query - past, key);
      return sum / ((q1 - q0) * (k1 - k0));
    });
    result.scores.set(softmax(means), row * result.cols);
  }
  return result;
}
