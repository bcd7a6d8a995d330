import type { Rows } from "../checkpoint.ts";
import type { WritableTensor } from "../safetensors/write.ts";
import type { Every, Names, TensorPlace } from "./names.ts";

/**
 * Converts canonically named tensors to the checkpoint's names and layout, as `names` defines them; the inverse of
 * reading a `Part`. Matrices are given as [outputs, inputs]; slices of a stored tensor are joined. @throws Error if
 * blocks, earlier rows or interleaved matrices are missing
 */
export function asStored(names: Names, tensors: ReadonlyMap<string, WritableTensor>): Map<string, WritableTensor> {
  const all = new Map<string, WritableTensor>();
  const stacks = new Map<string, Stack>();
  const slices = new Map<string, Slice[]>();
  const woven = new Map<string, Woven>();
  const place = ({ name, block }: Pick<TensorPlace, "name" | "block">, tensor: WritableTensor) => {
    if (!block) return all.set(name, tensor);
    const { at, of, matrices } = block;
    const stack = stacks.get(name) ?? { matrices, blocks: Array.from({ length: of }) };
    stack.blocks[at] = tensor;
    return stacks.set(name, stack);
  };
  for (const [canonical, tensor] of tensors) {
    const found = names(canonical);
    if (typeof found === "string") all.set(found, tensor);
    else if (found.rows) slices.set(found.name, [...(slices.get(found.name) ?? []), { rows: found.rows, tensor }]);
    else if (found.every) {
      const { block, every, name } = found;
      const key = `${name} ${block?.at}`;
      const own = woven.get(key) ?? {
        stored: { name, ...(block && { block }) },
        side: every.side,
        parts: Array.from({ length: every.of }),
      };
      own.parts[every.at] = storedAs(found, tensor);
      woven.set(key, own);
    } else place(found, storedAs(found, tensor));
  }
  for (const { stored, side, parts } of woven.values()) place(stored, weave(stored.name, side, parts));
  for (const [name, stack] of stacks) all.set(name, stacked(name, stack));
  for (const [name, parts] of slices) all.set(name, joined(name, parts));
  return all;
}

/** A range of rows of a stored tensor. */
interface Slice {
  readonly rows: Rows;
  readonly tensor: WritableTensor;
}

/** Joins slices into the tensor with all of its rows. */
function joined(name: string, slices: readonly Slice[]): WritableTensor {
  const parts = slices.toSorted((a, b) => a.rows[0] - b.rows[0]);
  const height = parts.reduce((end, { rows: [from, to] }) => {
    if (from !== end)
      throw new Error(`${name}: rows ${Math.min(from, end)} to ${Math.max(from, end)} are missing or occur twice`);
    return to;
  }, 0);
  const [, ...inner] = parts[0]!.tensor.shape;
  const width = inner.reduce((a, b) => a * b, 1);
  return {
    shape: [height, ...inner],
    values() {
      const all = new Float32Array(height * width);
      for (const { rows, tensor } of parts) all.set(tensor.values(), rows[0] * width);
      return all;
    },
  };
}

/** Matrices whose rows or columns alternate in the file. */
interface Woven {
  readonly stored: Pick<TensorPlace, "name" | "block">;
  readonly side: Every["side"];
  readonly parts: (WritableTensor | undefined)[];
}

function weave(name: string, side: Every["side"], all: Woven["parts"]): WritableTensor {
  const parts = all.filter((part) => part !== undefined);
  if (parts.length < all.length) throw new Error(`${name} has ${parts.length} of its ${all.length} interleaved parts`);
  const [rows, columns] = parts[0]!.shape as [number, number];
  const run = side === "rows" ? columns : 1;
  return {
    shape: side === "rows" ? [rows * parts.length, columns] : [rows, columns * parts.length],
    values() {
      const woven = new Float32Array(rows * columns * parts.length);
      for (const [i, { values }] of parts.entries()) {
        const own = values();
        for (let from = 0, to = i * run; from < own.length; from += run, to += parts.length * run)
          woven.set(own.subarray(from, from + run), to);
      }
      return woven;
    },
  };
}

interface Stack {
  readonly matrices: number | undefined;
  readonly blocks: (WritableTensor | undefined)[];
}

/** Joins blocks of rows into a stack of matrices. */
function stacked(name: string, { matrices, blocks }: Stack): WritableTensor {
  const parts = blocks.filter((block) => block !== undefined);
  if (parts.length < blocks.length) throw new Error(`${name} has ${parts.length} of its ${blocks.length} blocks`);
  const [rows, columns] = parts[0]!.shape as [number, number];
  const height = rows * parts.length;
  const shape = matrices === undefined ? [height, columns] : [matrices, height / matrices, columns];
  return {
    shape,
    values() {
      const all = new Float32Array(rows * columns * parts.length);
      for (const [i, { values }] of parts.entries()) all.set(values(), i * rows * columns);
      return all;
    },
  };
}

function storedAs({ transposed, plus, shape }: TensorPlace, tensor: WritableTensor): WritableTensor {
  if (shape) return { shape, values: tensor.values };
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
