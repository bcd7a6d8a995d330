import type { Rows } from "../checkpoint.ts";

/** Where a checkpoint stores a tensor with a canonical name, that is, GGUF's (`blk.0.attn_q.weight`). */
export interface Stored {
  readonly name: string;
  /**
   * True if stored as [inputs, outputs], as in GPT-2's Conv1D, for a model that expects [outputs, inputs]; for a stack,
   * it applies to each matrix.
   */
  readonly transposed?: true;
  /** The outputs to take from a fused tensor. */
  readonly rows?: Rows;
  /** The shape in the checkpoint, if it differs and has the same number of elements. */
  readonly shape?: readonly number[];
  /** One matrix of a stack [matrices, rows, columns], or one of `of` equally high blocks of a matrix. */
  readonly block?: StackBlock;
  /** A selection of its rows or columns; in a stack, of each matrix's. */
  readonly every?: Every;
  /** Added to every element: Gemma's gains are stored minus one. */
  readonly plus?: number;
}

/**
 * Row or column `at` of every `of`, for interleaved matrices of equal size. For "blocks of columns", the `at`-th of
 * `of` adjacent blocks.
 */
export interface Every {
  readonly at: number;
  readonly of: number;
  readonly side: "rows" | "columns" | "blocks of columns";
}

/** The `at`-th of `of` blocks of rows in a stack of matrices: one expert's matrix, or half of it. */
export interface StackBlock {
  readonly at: number;
  readonly of: number;
  /** Absent if the blocks belong to one matrix, not to a stack. */
  readonly matrices?: number;
}

/** Canonical name → the checkpoint's name. A GGUF's names are canonical. */
export type Names = (canonical: string) => string | Stored;

export const identity: Names = (canonical) => canonical;

/** A key that identifies how a tensor is stored. */
export const keyOf = ({ name, transposed, rows, every, plus }: Stored): string =>
  `${name}${transposed ? "ᵀ" : ""}${rows ? `[${rows.join(":")}]` : ""}${every ? `(${every.at}/${every.of})` : ""}${plus ? `+${plus}` : ""}`;
