import { type BlockMask, BlockMaskWriter, isDense, type MaskRequest } from "../block-sparse/block-mask.ts";
import type { XattentionOptions } from "./options.ts";

export interface SelectOptions
  extends MaskRequest,
    Pick<XattentionOptions, "selection" | "k" | "ratio" | "forceSink" | "forceDiagonal"> {
  /** The number of key blocks in a row of the scores, at least `rowOffset + rows`. */
  cols: number;
  /** The share of a row's mass to keep, for all heads or per head. */
  threshold: number | Float32Array | Float64Array;
}

/**
 * Chooses the key blocks of every query block from estimated scores `[heads, rows, cols]` (XAttention, arXiv
 * 2503.16428, section 3.2; forced blocks and the order of steps as in the released `find_blocks_chunked`).
 *
 * Forced blocks are added first. Other blocks follow by descending score (on a tie, the lower block), until the row's
 * mass (in float64) reaches its target; the block that reaches it is kept. Blocks after the diagonal are never read. A
 * threshold of 1 or more keeps every causal block, because small masses may round to zero.
 */
export function selectBlocks(scores: Float32Array | Float64Array, options: SelectOptions): BlockMask {
  checkShape(scores.length, options);
  const { heads, rows, cols, rowOffset } = options;
  const writer = new BlockMaskWriter(options);
  const keptMass = new Float64Array(heads * rows);
  const picker = new RowPicker(cols, options);
  const keeps = (block: number) => picker.kept[block] === 1;
  for (let i = 0; i < heads * rows; i++) {
    const row = i % rows;
    const diagonal = rowOffset + row;
    keptMass[i] = picker.pick(scores.subarray(i * cols, i * cols + diagonal + 1), diagonal, thresholdOf(options, i));
    writer.addRow(row, keeps);
  }
  return writer.finish(keptMass);
}

/** Sums scores `[heads, rows, cols]` over the query heads that share a key-value head: `[kvHeads, rows, cols]`. */
export function sumOverGroups(scores: Float32Array | Float64Array, heads: number, kvHeads: number): Float64Array {
  const size = scores.length / heads;
  const group = heads / kvHeads;
  const sums = new Float64Array(kvHeads * size);
  for (let head = 0; head < heads; head++) {
    const target = Math.floor(head / group) * size;
    for (let i = 0; i < size; i++) sums[target + i]! += scores[head * size + i]!;
  }
  return sums;
}

/** The threshold of a key–value head: the largest among its query heads, so each of these keeps at least its share. */
export function maxOverGroups(thresholds: ArrayLike<number>, kvHeads: number): Float64Array {
  const group = thresholds.length / kvHeads;
  return Float64Array.from({ length: kvHeads }, (_, kv) =>
    Math.max(...Array.from({ length: group }, (_, i) => thresholds[kv * group + i]!)),
  );
}

const thresholdOf = ({ threshold, rows }: SelectOptions, row: number) =>
  typeof threshold === "number" ? threshold : threshold[Math.floor(row / rows)]!;

function checkShape(length: number, { heads, rows, cols, rowOffset, threshold }: SelectOptions): void {
  if (length !== heads * rows * cols)
    throw new Error(`selectBlocks: expected scores [${heads}, ${rows}, ${cols}], got ${length} numbers`);
  if (rowOffset + rows > cols)
    throw new Error(`selectBlocks: expected at least ${rowOffset + rows} key blocks, got ${cols}`);
  if (typeof threshold !== "number" && threshold.length !== heads)
    throw new Error(`selectBlocks: expected a threshold for each of ${heads} heads, got ${threshold.length}`);
}

/** Picks each row's blocks in turn, without allocating. */
class RowPicker {
  /** 1 for each block kept in the row that was picked last. */
  readonly kept: Uint8Array;
  private readonly heap: Int32Array;
  private size = 0;

  constructor(
    cols: number,
    private readonly options: SelectOptions,
  ) {
    this.kept = new Uint8Array(cols);
    this.heap = new Int32Array(cols);
  }

  /** Fills `kept` from the row's causal scores; returns the kept share of their sum. */
  pick(row: Float32Array | Float64Array, diagonal: number, threshold: number): number {
    const total = sum(row);
    if (!Number.isFinite(total)) throw new Error(`selectBlocks: the scores of query block ${diagonal} are not finite`);
    const { selection, k, ratio, forceSink, forceDiagonal } = this.options;
    if (isDense(this.options, diagonal - this.options.rowOffset) || (selection === "threshold" && threshold >= 1)) {
      this.kept.fill(1, 0, diagonal + 1);
      return 1;
    }
    this.kept.fill(0, 0, diagonal + 1);
    if (forceSink) this.kept[0] = 1;
    if (forceDiagonal) this.kept[diagonal] = 1;
    const need = selection === "threshold" ? threshold * total : Number.POSITIVE_INFINITY;
    const quota = { threshold: Number.POSITIVE_INFINITY, "top-k": k, ratio: Math.ceil(ratio * (diagonal + 1)) }[
      selection
    ];
    const mass = this.fill(row, need, quota);
    return total > 0 ? mass / total : 1;
  }

  /** Adds the best blocks to the forced ones until they reach `need` mass or `quota` blocks; returns the kept mass. */
  private fill(row: Float32Array | Float64Array, need: number, quota: number): number {
    let mass = 0;
    let count = 0;
    this.size = 0;
    for (let block = 0; block < row.length; block++) {
      if (this.kept[block] === 0) this.heap[this.size++] = block;
      else {
        mass += row[block]!;
        count++;
      }
    }
    for (let i = (this.size >> 1) - 1; i >= 0; i--) this.sink(row, i);
    // A softmax over no keys is undefined, so a row without forced blocks always keeps its best block.
    while (this.size > 0 && (count === 0 || (mass < need && count < quota))) {
      const block = this.pop(row);
      this.kept[block] = 1;
      mass += row[block]!;
      count++;
    }
    return mass;
  }

  private pop(row: Float32Array | Float64Array): number {
    const best = this.heap[0]!;
    this.heap[0] = this.heap[--this.size]!;
    this.sink(row, 0);
    return best;
  }

  /** Restores the heap order (higher score, then lower block, first) below index `i`. */
  private sink(row: Float32Array | Float64Array, i: number): void {
    const { heap, size } = this;
    const block = heap[i]!;
    for (let child = 2 * i + 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && before(row, heap[child + 1]!, heap[child]!)) child++;
      if (before(row, block, heap[child]!)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = block;
  }
}

const before = (row: Float32Array | Float64Array, a: number, b: number) =>
  row[a]! > row[b]! || (row[a]! === row[b]! && a < b);

function sum(row: Float32Array | Float64Array): number {
  let total = 0;
  for (let i = 0; i < row.length; i++) total += row[i]!;
  return total;
}
