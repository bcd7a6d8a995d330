import type { Rows } from "../checkpoint.ts";

/** The place of a tensor in a checkpoint. Canonical names are GGUF's (`blk.0.attn_q.weight`). */
export interface TensorPlace {
  readonly name: string;
  /**
   * True if stored as [inputs, outputs], as in GPT-2's Conv1D, for a model that expects [outputs, inputs]; in a stack,
   * this applies to each matrix.
   */
  readonly transposed?: true;
  /** The outputs to take from a fused tensor. */
  readonly rows?: Rows;
  /** The shape in the checkpoint, if it differs from the model's but has the same number of elements. */
  readonly shape?: readonly number[];
  /** Selects one matrix of a stack [matrices, rows, columns], or one of `of` blocks of equal height in a matrix. */
  readonly block?: StackBlock;
  /** Selects rows or columns of the tensor; in a stack, of each matrix. */
  readonly every?: Every;
  /** A number to add to every element: Gemma's gains are stored minus one. */
  readonly plus?: number;
}

/**
 * Selects row or column `at` of every `of`, for interleaved matrices of equal size; with "blocks of columns", the
 * `at`-th of `of` adjacent blocks.
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

/** Maps canonical names to the checkpoint's names; a GGUF's names are canonical. */
export type Names = (canonical: string) => string | TensorPlace;

export const identity: Names = (canonical) => canonical;

/** A key that identifies how a tensor is stored. */
export const keyOf = ({ name, transposed, rows, every, plus }: TensorPlace): string =>
  `${name}${transposed ? "ᵀ" : ""}${rows ? `[${rows.join(":")}]` : ""}${every ? `(${every.at}/${every.of})` : ""}${plus ? `+${plus}` : ""}`;
