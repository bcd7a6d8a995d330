import { UserError } from "../../util/errors.ts";
import type { SafeTensor } from "../safetensors/header.ts";
import { readFloats } from "../safetensors/read.ts";

/** Rows of individual tokens that replace or extend a table's rows, like PEFT's trainable tokens. */
export interface SavedRows {
  /** The tokens, ascending. */
  readonly ids: readonly number[];
  readonly width: number;
  /** [ids, width] */
  values(): Float32Array<ArrayBuffer>;
}

/** Token ids, keyed by the end of a module's name; a plain list applies to the token table. */
export type TokenIndices = readonly number[] | Readonly<Record<string, readonly number[]>>;

const ROWS = /^base_model\.model\.(.+)\.token_adapter\.trainable_tokens_delta$/;

export const isRows = (name: string): boolean => ROWS.test(name);

/**
 * Reads the token rows in an adapter's tensors, keyed by module name in the base's code.
 * @throws UserError if the settings do not list one token per row
 */
export function rowsOf(
  file: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  indices: TokenIndices,
): Map<string, SavedRows> {
  const tables = [...tensors].filter(([name]) => isRows(name));
  return new Map(
    tables.map(([name, tensor]) => {
      const module = ROWS.exec(name)![1]!;
      return [module, savedRows(`${file}: ${module}`, tensor, idsOf(module, indices))];
    }),
  );
}

function idsOf(module: string, indices: TokenIndices): readonly number[] {
  if (Array.isArray(indices)) return indices;
  return Object.entries(indices).find(([end]) => module === end || module.endsWith(`.${end}`))?.[1] ?? [];
}

function savedRows(where: string, tensor: SafeTensor, ids: readonly number[]): SavedRows {
  const [count, width] = tensor.shape as [number, number];
  const isValid = tensor.shape.length === 2 && new Set(ids).size === ids.length && ids.every((id) => id >= 0);
  if (!isValid || count !== ids.length)
    throw new UserError(
      `${where}: there are rows [${tensor.shape.join(", ")}] for ${ids.length} tokens in trainable_token_indices, expected one row for each`,
    );
  const order = ids.map((_, i) => i).sort((a, b) => ids[a]! - ids[b]!);
  return {
    ids: order.map((i) => ids[i]!),
    width,
    values() {
      const [all, sorted] = [readFloats(tensor), new Float32Array(count * width)];
      for (const [to, from] of order.entries()) sorted.set(all.subarray(from * width, (from + 1) * width), to * width);
      return sorted;
    },
  };
}
