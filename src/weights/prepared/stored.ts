import type { WritableTensor } from "../safetensors/write.ts";
import type { Names, Stored } from "./names.ts";

/**
 * Tensors by canonical name as a checkpoint has them that calls them by `names`: the inverse of how a `Part` reads. Matrices come in as
 * [outputs, inputs]. @throws Error for a slice of a stored tensor
 */
export function asStored(names: Names, tensors: ReadonlyMap<string, WritableTensor>): Map<string, WritableTensor> {
  return new Map(
    [...tensors].map(([canonical, tensor]) => {
      const found = names(canonical);
      return typeof found === "string" ? [found, tensor] : [found.name, storedAs(found, tensor)];
    }),
  );
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
