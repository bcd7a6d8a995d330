import type { Block, CodeBits } from "../../graph/index.ts";
import type { Checkpoint, Rows, StoredTensor } from "../checkpoint.ts";
import type { KernelForm } from "../gguf/index.ts";
import { everyRow, type KernelMatrix } from "./layout.ts";
import { type Every, keyOf, type Names, type StackBlock, type TensorPlace } from "./names.ts";
import { type Bits, isBlockable, Rounding } from "./quantize.ts";

/** The number of weights converted to float32 at a time while a matrix is rounded. */
const CHUNK = 2 ** 22;

/** One tensor in the model's shape: a stored tensor or a slice of it, transposed if necessary. */
export class Part {
  readonly #stored: TensorPlace;
  readonly #tensor: StoredTensor | undefined;
  /** The rows of the tensor's matrix in a stack. */
  readonly #matrix: Rows | undefined;
  /** The shape that the model expects. */
  readonly shape: readonly number[];
  /** The problem with the tensor in the checkpoint: "is missing", or a wrong shape. */
  readonly problem: string | undefined;

  constructor(
    private readonly checkpoint: Checkpoint,
    names: Names,
    private readonly canonical: string,
    expected?: readonly number[],
  ) {
    const entry = names(canonical);
    const stored = typeof entry === "string" ? { name: entry } : entry;
    const whole = checkpoint.tensors.get(stored.name);
    const { block } = stored;
    const wanted = expected && asInFile(expected, stored);
    const stacked = block && { ...block, rows: wanted?.[0] ?? (whole ? heightOf(whole, block) : 0) };
    const tensor = stacked && whole ? flattened(whole) : whole;
    this.#stored = stored;
    this.#tensor = tensor;
    this.#matrix = stacked && [stacked.at * stacked.rows, (stacked.at + 1) * stacked.rows];
    const own = tensor && this.#matrix ? tensor.shape.with(0, stacked!.rows) : tensor?.shape;
    this.shape = expected ?? (own ? turned(own, stored) : []);
    this.problem =
      (stacked && whole && misstacked(whole.shape, stacked, wanted?.at(-1))) ??
      (own ? misfit(own, stored, this.shape) : "is missing");
  }

  /** The name in the checkpoint. */
  get name(): string {
    return this.#stored.name;
  }

  /** The storage type. */
  get type(): string {
    return this.#tensor?.type ?? "";
  }

  /** The number of bytes in the file. */
  get stored(): number {
    return this.#tensor ? (this.#tensor.bytes * volume(this.shape)) / volume(this.#tensor.shape) : 0;
  }

  get exists(): boolean {
    return this.#tensor !== undefined;
  }

  /** A key that identifies the part within its checkpoint. */
  get key(): string {
    const rows = this.#matrix ?? this.#stored.rows;
    return keyOf({ ...this.#stored, ...(rows && { rows }) });
  }

  /** The block form of the storage type. */
  get storedForm(): KernelForm | undefined {
    const { transposed, plus, every } = this.#stored;
    const isTurned = transposed || plus || (every && every.side !== "rows");
    return this.#tensor && !isTurned ? this.checkpoint.form(this.#tensor) : undefined;
  }

  /** True for a matrix that can be rounded to blocks. */
  get blockable(): boolean {
    return this.shape.length === 2 && isBlockable(this.shape[1]!);
  }

  /** True for the token table and the head: every position uses them, so rounding them costs the most. */
  get ofTokens(): boolean {
    return this.canonical === "token_embd.weight" || this.canonical === "output.weight";
  }

  /** True for the small matrices that compute a state space's steps: rounding them changes how long its state lasts. */
  get ofSteps(): boolean {
    return /\.ssm_(x|dt)\.weight$/.test(this.canonical);
  }

  /** The first `rows` rows (default: all), in the kernels' form. */
  blocks(bits: CodeBits, rows = this.shape[0]!): KernelMatrix {
    const { every } = this.#stored;
    const first = (this.#matrix ?? this.#stored.rows)?.[0] ?? 0;
    const read = (count: number) => this.checkpoint.blocks(this.#tensor!, bits, [first, first + count]);
    return every ? everyRow(read(every.of * rows), every) : read(rows);
  }

  /** Rounds to `to` bits in blocks of `block` weights, with codes of `bits` bits. */
  rounded(to: Bits, bits: CodeBits, block: Block): KernelMatrix {
    const [rows, cols] = this.shape as [number, number];
    const rounding = new Rounding(to, rows, cols, block);
    for (const [values, row] of this.pieces()) rounding.add(values, row * cols);
    return rounding.matrix(bits);
  }

  /** Yields pieces of whole rows, each with its first row's index: a large matrix may not fit in memory. */
  *pieces(): Generator<[values: Float32Array<ArrayBuffer>, row: number]> {
    const [rows, cols] = this.shape as [number, number];
    const step = Math.max(1, this.#stored.transposed ? rows : Math.floor(CHUNK / cols));
    for (let row = 0; row < rows; row += step) yield [this.floats(row, Math.min(rows, row + step)), row];
  }

  /** Reads weights as float32, row-major in `shape`, for indices `from` to `to` − 1 of the outermost dimension. */
  floats(from = 0, to = this.shape[0]!): Float32Array<ArrayBuffer> {
    const { transposed, rows, plus } = this.#stored;
    if (this.#stored.shape) return this.#reshaped(from, to);
    if (this.#stored.every || (this.#matrix && transposed)) return this.#strided(from, to);
    const first = (this.#matrix ?? rows)?.[0] ?? 0;
    const values = transposed
      ? columns(this.checkpoint.floats(this.#tensor!), this.#tensor!.shape[1]!, first + from, first + to)
      : this.checkpoint.floats(this.#tensor!, this.shape.length > 0 ? [first + from, first + to] : undefined);
    return plus ? values.map((v) => v + plus) : values;
  }

  /** Reads rows, using strides, of a matrix that is transposed in a stack or interleaved with others. */
  #strided(from: number, to: number): Float32Array<ArrayBuffer> {
    const { transposed, every = WHOLE } = this.#stored;
    const [height, width] = asInFile(this.shape, this.#stored) as [number, number];
    const first = this.#matrix?.[0] ?? 0;
    const values = this.checkpoint.floats(this.#tensor!, [first, first + height]);
    const columns = this.shape[1]!;
    const { down, across, start } = stridesOf(every, width);
    const [byRow, byColumn] = transposed ? [across, down * width] : [down * width, across];
    const out = new Float32Array((to - from) * columns);
    for (let row = from, at = 0; row < to; row++)
      for (let column = 0; column < columns; column++) out[at++] = values[start + row * byRow + column * byColumn]!;
    return out;
  }

  #reshaped(from: number, to: number): Float32Array<ArrayBuffer> {
    const values = this.checkpoint.floats(this.#tensor!);
    const row = values.length / this.shape[0]!;
    return values.slice(from * row, to * row);
  }
}

/** The strides between rows and between columns, and the first element's index, in a matrix of `width` columns. */
function stridesOf({ at, of, side }: Every, width: number) {
  switch (side) {
    case "rows":
      return { down: of, across: 1, start: at * width };
    case "columns":
      return { down: 1, across: of, start: at };
    case "blocks of columns":
      return { down: 1, across: 1, start: (at * width) / of };
  }
}

/** Selects every row. */
const WHOLE: Every = { at: 0, of: 1, side: "rows" };

const volume = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1);

/** The number of rows in each block of a stack. */
const heightOf = ({ shape }: StoredTensor, { of }: StackBlock): number => volume(shape.slice(0, -1)) / of;

/** Reshapes a stack of matrices to one matrix. */
const flattened = (tensor: StoredTensor): StoredTensor => ({
  ...tensor,
  shape: [volume(tensor.shape.slice(0, -1)), tensor.shape.at(-1)!],
});

/** Describes how a stack's shape differs from what its blocks of `rows` rows require; undefined if it does not. */
function misstacked(
  shape: readonly number[],
  { of, matrices, rows }: StackBlock & { readonly rows: number },
  columns = shape.at(-1),
): string | undefined {
  const expected = matrices === undefined ? [of * rows, columns] : [matrices, (of / matrices) * rows, columns];
  if (shape.join() === expected.join()) return undefined;
  return `has shape [${shape.join(", ")}], expected [${expected.join(", ")}]`;
}

/** The shape that a stored tensor, or one matrix of a stack, has in the model. */
function turned(shape: readonly number[], { transposed, rows, every }: TensorPlace): readonly number[] {
  const own = every ? scaledSide(shape, every, 1 / every.of) : shape;
  const whole = transposed ? own.toReversed() : own;
  return rows ? whole.with(0, rows[1] - rows[0]) : whole;
}

/** The shape in the file of a tensor that interleaves matrices of this shape. */
function asInFile(shape: readonly number[], { transposed, every }: TensorPlace): readonly number[] {
  const own = transposed ? shape.toReversed() : shape;
  return every ? scaledSide(own, every, every.of) : own;
}

const scaledSide = (shape: readonly number[], { side }: Every, factor: number): readonly number[] =>
  side === "rows" ? shape.with(0, shape[0]! * factor) : shape.with(-1, shape.at(-1)! * factor);

/** Describes how a stored tensor's shape differs from `expected`, in the checkpoint's layout; undefined if equal. */
function misfit(shape: readonly number[], stored: TensorPlace, expected: readonly number[]): string | undefined {
  const { transposed, rows } = stored;
  if (stored.shape) {
    if (shape.join() === stored.shape.join()) return undefined;
    return `has shape [${shape.join(", ")}], expected [${stored.shape.join(", ")}]`;
  }
  const outermost = transposed ? shape.at(-1)! : shape[0]!;
  if (turned(shape, stored).join() === expected.join() && outermost >= (rows?.[1] ?? 0)) return undefined;
  if (stored.every) return `has shape [${shape.join(", ")}], expected [${asInFile(expected, stored).join(", ")}]`;
  const whole = rows ? [`at least ${rows[1]}`, ...expected.slice(1)] : expected;
  return `has shape [${shape.join(", ")}], expected [${(transposed ? whole.toReversed() : whole).join(", ")}]`;
}

/** Reads columns `from` to `to` − 1 of a matrix of `width` columns, as rows. */
function columns(values: Float32Array, width: number, from: number, to: number): Float32Array<ArrayBuffer> {
  const height = values.length / width;
  const out = new Float32Array((to - from) * height);
  for (let row = 0; row < height; row++)
    for (let column = from; column < to; column++) out[(column - from) * height + row] = values[row * width + column]!;
  return out;
}
