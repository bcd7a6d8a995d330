import { UserError } from "../../../util/errors.ts";
import { wildcard } from "../../../util/wildcard.ts";
import type { Parameter, ParameterStore } from "../../step/parameters.ts";
import { Blocks, type Units } from "./blocks.ts";
import { blockOf, type SparseOptions } from "./options.ts";

/** A matrix whose weights can be pruned, and its position in the store's flat buffers. */
export interface Prunable {
  readonly name: string;
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Names of tables, which are never pruned: tokens, positions, types and experts' biases are looked up, not multiplied.
 * A tied head is the token table.
 */
const TABLE = /embd|token_types|\.bias$/;

/**
 * The trained matrices of a model's linear layers, including an untied head, but without those that `exclude` names.
 * @throws UserError if none remain
 */
export function prunableOf(store: ParameterStore, exclude = ""): Prunable[] {
  const matrices = store.parameters.filter((p) => p.trained && p.shape.length > 1 && !TABLE.test(p.name));
  const excluded = exclude === "" ? [] : exclude.split("+").map(wildcard);
  for (const [i, test] of excluded.entries())
    if (!matrices.some(({ name }) => test.test(name)))
      throw new UserError(`sparse: exclude: no prunable matrix is named "${exclude.split("+")[i]}"`, 2);
  const prunable = matrices.filter(({ name }) => !excluded.some((test) => test.test(name)));
  if (prunable.length === 0)
    throw new UserError("sparse: expected at least one trained matrix that is not excluded", 2);
  return prunable.map(matrixOf);
}

export function matrixOf({ name, offset, shape }: Parameter): Prunable {
  const columns = shape.at(-1)!;
  return { name, offset, columns, rows: shape.reduce((product, size) => product * size, 1) / columns };
}

export const weightsIn = (matrices: readonly Pick<Prunable, "rows" | "columns">[]): number =>
  matrices.reduce((sum, { rows, columns }) => sum + rows * columns, 0);

/** The weights that a run prunes. */
export interface PruningScope {
  /** The number of weights that can be pruned. */
  readonly weights: number;
  /** Units in groups, within which they are ranked. */
  readonly groups: readonly (readonly Units[])[];
}

/** Divides the prunable matrices into blocks. @throws UserError if blocks do not divide a matrix */
export function blocksOf(store: ParameterStore, options: SparseOptions): PruningScope {
  const matrices = prunableOf(store, options.exclude);
  const blocks = matrices.map((matrix) => new Blocks(matrix, blockOf(options)));
  return { weights: weightsIn(matrices), groups: options.scope === "global" ? [blocks] : blocks.map((each) => [each]) };
}
