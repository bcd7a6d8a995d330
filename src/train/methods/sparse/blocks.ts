import { UserError } from "../../../util/errors.ts";
import type { Block } from "./options.ts";
import type { Prunable } from "./prunable.ts";

/** Numbered groups of weights, equal in size, each of which is pruned as a whole. */
export interface Units {
  readonly count: number;
  /** Weights per unit. */
  readonly size: number;
  /** The index of a unit's first weight in the flat buffers. */
  first(index: number): number;
  /** The mean magnitude of a unit's weights. */
  magnitude(index: number, values: Float32Array): number;
  fill(index: number, values: Float32Array | Uint8Array, value: number): void;
}

/** The blocks of a matrix, equal in size, numbered from left to right, then down. */
export class Blocks implements Units {
  readonly count: number;
  readonly size: number;
  readonly #across: number;

  /** @throws UserError if blocks do not divide the matrix */
  constructor(
    private readonly matrix: Prunable,
    private readonly block: Block,
  ) {
    const { name, rows, columns } = matrix;
    if (rows % block.rows !== 0 || columns % block.columns !== 0)
      throw new UserError(
        `sparse: block: ${block.rows}x${block.columns} does not divide ${name}, which is ${rows}x${columns}; exclude it`,
        2,
      );
    this.#across = columns / block.columns;
    this.size = block.rows * block.columns;
    this.count = (rows * columns) / this.size;
  }

  first(index: number): number {
    const row = Math.floor(index / this.#across) * this.block.rows;
    return this.matrix.offset + row * this.matrix.columns + (index % this.#across) * this.block.columns;
  }

  /** Yields the index at which each row of a block begins; rows are `block.columns` long. */
  *parts(index: number): Generator<number> {
    const first = this.first(index);
    for (let row = 0; row < this.block.rows; row++) yield first + row * this.matrix.columns;
  }

  magnitude(index: number, values: Float32Array): number {
    const { columns } = this.block;
    if (this.size === 1) return Math.abs(values[this.first(index)]!);
    let sum = 0;
    for (const part of this.parts(index)) for (let i = part; i < part + columns; i++) sum += Math.abs(values[i]!);
    return sum / this.size;
  }

  fill(index: number, values: Float32Array | Uint8Array, value: number): void {
    if (this.size === 1) values[this.first(index)] = value;
    else for (const part of this.parts(index)) values.fill(value, part, part + this.block.columns);
  }
}
