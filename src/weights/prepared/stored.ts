import type { WritableTensor } from "../safetensors/write.ts";
import type { Names, Stored } from "./names.ts";

/**
 * Tensors by canonical name as a checkpoint has them that calls them by `names`: the inverse of how a `Part` reads. Matrices come in as
 * [outputs, inputs]. @throws Error for a slice of a stored tensor
 */
export function asStored(names: Names, tensors: ReadonlyMap<string, WritableTensor>): Map<string, WritableTensor> {
  const all = new Map<string, WritableTensor>();
  const stacks = new Map<string, Stack>();
  for (const [canonical, tensor] of tensors) {
    const found = names(canonical);
    if (typeof found === "string") all.set(found, tensor);
    else if (!found.block) all.set(found.name, storedAs(found, tensor));
    else {
      const { at, of, matrices } = found.block;
      const stack = stacks.get(found.name) ?? { matrices, blocks: Array.from({ length: of }) };
      stack.blocks[at] = tensor;
      stacks.set(found.name, stack);
    }
  }
  for (const [name, stack] of stacks) all.set(name, stacked(name, stack));
  return all;
}

interface Stack {
  readonly matrices: number;
  readonly blocks: (WritableTensor | undefined)[];
}

/** Blocks of rows as a stack of matrices. */
function stacked(name: string, { matrices, blocks }: Stack): WritableTensor {
  const parts = blocks.filter((block) => block !== undefined);
  if (parts.length < blocks.length) throw new Error(`${name} has ${parts.length} of its ${blocks.length} blocks`);
  const [rows, columns] = parts[0]!.shape as [number, number];
  const shape = [matrices, (rows * parts.length) / matrices, columns];
  return {
    shape,
    values() {
      const all = new Float32Array(rows * columns * parts.length);
      for (const [i, { values }] of parts.entries()) all.set(values(), i * rows * columns);
      return all;
    },
  };
}

function storedAs({ name, transposed, rows, plus, shape }: Stored, tensor: WritableTensor): WritableTensor {
  if (shape) return { shape, values: tensor.values };
  if (rows) throw new Error(`${name} is stored whole, not in slices`);
  const less = plus ? { shape: tensor.shape, values: () => tensor.values().map((v) => v - plus) } : tensor;
  if (!transposed) return less;
  const [height, width] = less.shape as [number, number];
  return { shape: [width, height], values: () => turned(less.values(), height, width) };
}

function turned(values: Float32Array, height: number, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < height; r++) for (let c = 0; c < width; c++) out[c * height + r] = values[r * width + c]!;
  return out;
}
