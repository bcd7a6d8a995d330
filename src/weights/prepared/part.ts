import { UserError } from "../../util/errors.ts";
import type { Checkpoint, StoredTensor } from "../checkpoint.ts";
import type { KernelMatrix } from "./layout.ts";
import { keyOf, type Names, type Stored } from "./names.ts";

/** One tensor as a model calls for it: all or a slice of what a checkpoint stores, turned if need be. */
export class Part {
  private constructor(
    private readonly checkpoint: Checkpoint,
    private readonly tensor: StoredTensor,
    private readonly stored: Stored,
    /** As the model has it. */
    readonly shape: readonly number[],
  ) {}

  /** @throws UserError when the checkpoint lacks the tensor, or has it in another shape than `shape`, where that is given. */
  static find(checkpoint: Checkpoint, names: Names, canonical: string, shape?: readonly number[]): Part {
    const stored = entry(names, canonical);
    const tensor = checkpoint.tensors.get(stored.name);
    if (!tensor) throw new UserError(`${checkpoint.path}: tensor "${stored.name}" is missing`);
    if (shape) checkShape(checkpoint, tensor, stored, shape);
    return new Part(checkpoint, tensor, stored, shape ?? shapeOf(tensor, stored));
  }

  static exists(checkpoint: Checkpoint, names: Names, canonical: string): boolean {
    return checkpoint.tensors.has(entry(names, canonical).name);
  }

  /** Tells what it is among the parts of its checkpoint. */
  get key(): string {
    return keyOf(this.stored);
  }

  /** Whether its type has an exact form in blocks. */
  get inBlocks(): boolean {
    return !this.stored.transposed && !this.stored.plus && this.checkpoint.inBlocks(this.tensor);
  }

  blocks(): KernelMatrix {
    return this.checkpoint.blocks(this.tensor, this.stored.rows);
  }

  /** Float32, row-major in `shape`. */
  floats(): Float32Array<ArrayBuffer> {
    const { plus } = this.stored;
    return plus ? this.#stored().map((v) => v + plus) : this.#stored();
  }

  #stored(): Float32Array<ArrayBuffer> {
    const { transposed, rows } = this.stored;
    if (!transposed) return this.checkpoint.floats(this.tensor, rows);
    const [from, to] = rows ?? [0, this.shape[0]!];
    return columns(this.checkpoint.floats(this.tensor), this.tensor.shape[1]!, from, to);
  }
}

function entry(names: Names, canonical: string): Stored {
  const found = names(canonical);
  return typeof found === "string" ? { name: found } : found;
}

/** The shape that a model sees of a stored tensor. */
function shapeOf({ shape }: StoredTensor, { transposed, rows }: Stored): readonly number[] {
  const turned = transposed ? shape.toReversed() : shape;
  return rows ? turned.with(0, rows[1] - rows[0]) : turned;
}

function checkShape(checkpoint: Checkpoint, tensor: StoredTensor, stored: Stored, shape: readonly number[]): void {
  const { transposed, rows } = stored;
  const turned = transposed ? tensor.shape.toReversed() : tensor.shape;
  const fits = rows
    ? turned[0]! >= rows[1] && shapeOf(tensor, stored).join() === shape.join()
    : turned.join() === shape.join();
  if (fits) return;
  const whole = rows ? [`at least ${rows[1]}`, ...shape.slice(1)] : shape;
  const expected = (transposed ? whole.toReversed() : whole).join(", ");
  const found = tensor.shape.join(", ");
  throw new UserError(`${checkpoint.path}: tensor "${tensor.name}" has shape [${found}], expected [${expected}]`);
}

/** Columns `from` to `to` − 1 of a matrix of `width` columns, as rows. */
function columns(values: Float32Array, width: number, from: number, to: number): Float32Array<ArrayBuffer> {
  const height = values.length / width;
  const out = new Float32Array((to - from) * height);
  for (let row = 0; row < height; row++)
    for (let column = from; column < to; column++) out[(column - from) * height + row] = values[row * width + column]!;
  return out;
}
