/** A mask's rows: `rows` query blocks per head, starting at block `rowOffset` of the prompt. */
export interface MaskShape {
  heads: number;
  rows: number;
  rowOffset: number;
}

/** The rows for which to choose blocks. */
export interface MaskRequest extends MaskShape {
  /** Query blocks from this index on stay dense, counted from the prompt's start; none by default. */
  denseFrom?: number;
}

/**
 * The key blocks that each query block of each head attends to, as compressed sparse rows: row `head * rows + row` owns
 * `indices[offsets[i] .. offsets[i + 1])`, ascending. `row` counts from the first row of this mask, but key blocks
 * count from the prompt's start, so the diagonal of `row` is block `rowOffset + row`.
 */
export class BlockMask implements MaskShape {
  readonly heads: number;
  readonly rows: number;
  readonly rowOffset: number;

  constructor(
    shape: MaskShape,
    readonly offsets: Int32Array,
    readonly indices: Int32Array,
    /** The kept share of each row's estimated mass, `[heads * rows]`; absent if the method makes no estimate. */
    readonly keptMass?: Float64Array,
  ) {
    this.heads = shape.heads;
    this.rows = shape.rows;
    this.rowOffset = shape.rowOffset;
  }

  /** The mask that keeps the causal blocks for which `keeps` is true. */
  static from(shape: MaskRequest, keeps: (head: number, row: number, block: number) => boolean): BlockMask {
    const writer = new BlockMaskWriter(shape);
    for (let head = 0; head < shape.heads; head++)
      for (let row = 0; row < shape.rows; row++) {
        const dense = isDense(shape, row);
        writer.addRow(row, (block) => dense || keeps(head, row, block));
      }
    return writer.finish();
  }

  /** Kept key blocks of one row, ascending. */
  row(head: number, row: number): Int32Array {
    const i = head * this.rows + row;
    return this.indices.subarray(this.offsets[i], this.offsets[i + 1]);
  }

  has(head: number, row: number, block: number): boolean {
    const retained = this.row(head, row);
    let low = 0;
    for (let high = retained.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (retained[middle]! < block) low = middle + 1;
      else high = middle;
    }
    return retained[low] === block;
  }

  /** The number of kept blocks, in one head or in all heads. */
  blocks(head?: number): number {
    const first = head === undefined ? 0 : head * this.rows;
    const last = head === undefined ? this.heads * this.rows : first + this.rows;
    return this.offsets[last]! - this.offsets[first]!;
  }

  /** The number of blocks that dense causal attention visits in these rows, per head. */
  get causalBlocks(): number {
    return this.rows * this.rowOffset + (this.rows * (this.rows + 1)) / 2;
  }

  /** The share of causal blocks that are kept, in one head or in all heads. */
  density(head?: number): number {
    return this.blocks(head) / (this.causalBlocks * (head === undefined ? this.heads : 1));
  }

  /** The kept share of estimated mass, averaged over one head's rows; undefined if there is no estimate. */
  meanKeptMass(head: number): number | undefined {
    const retained = this.keptMass?.subarray(head * this.rows, (head + 1) * this.rows);
    return retained && retained.reduce((sum, mass) => sum + mass, 0) / retained.length;
  }
}

/** True if a row stays dense, regardless of its scores. */
export const isDense = ({ rowOffset, denseFrom = Number.POSITIVE_INFINITY }: MaskRequest, row: number) =>
  rowOffset + row >= denseFrom;

/** Builds a mask row by row, heads outermost. */
export class BlockMaskWriter {
  private readonly offsets: Int32Array;
  private readonly indices: Int32Array;
  private written = 0;
  private rowsWritten = 0;

  constructor(private readonly shape: MaskShape) {
    const { heads, rows, rowOffset } = shape;
    this.offsets = new Int32Array(heads * rows + 1);
    this.indices = new Int32Array(heads * (rows * rowOffset + (rows * (rows + 1)) / 2));
  }

  /** Appends the next row with the causal blocks for which `keeps` is true. */
  addRow(row: number, keeps: (block: number) => boolean): void {
    const diagonal = this.shape.rowOffset + row;
    for (let block = 0; block <= diagonal; block++) if (keeps(block)) this.indices[this.written++] = block;
    this.offsets[++this.rowsWritten] = this.written;
  }

  finish(keptMass?: Float64Array): BlockMask {
    return new BlockMask(this.shape, this.offsets, this.indices.slice(0, this.written), keptMass);
  }
}
