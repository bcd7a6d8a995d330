import type { Rows } from "../checkpoint.ts";

/**
 * The checkpoint's place of a tensor that a model asks for by its canonical name, which is GGUF's
 * (`blk.0.attn_q.weight`).
 */
export interface Stored {
  readonly name: string;
  /** True if stored as [inputs, outputs], as in GPT-2's Conv1D, when the model asks for [outputs, inputs]; so is each matrix of a stack. */
  readonly transposed?: true;
  /** A slice of a fused tensor: these of its outputs. */
  readonly rows?: Rows;
  /** The checkpoint's shape, if it is another of as many elements. */
  readonly shape?: readonly number[];
  /** A matrix out of a stack [matrices, rows, columns], or out of a matrix, of which it is one of `of` blocks of equal height. */
  readonly block?: StackBlock;
  /** Some of its rows or columns, of a stack each matrix's. */
  readonly every?: Every;
  /** Added to every element: Gemma's gains are stored less one. */
  readonly plus?: number;
}

/**
 * One of each `of` rows or columns, the `at`-th: matrices that are woven into one, of which both have as many. Or, in
 * "blocks of columns", the `at`-th of `of` that lie side by side.
 */
export interface Every {
  readonly at: number;
  readonly of: number;
  readonly side: "rows" | "columns" | "blocks of columns";
}

/** The `at`-th of `of` blocks of rows in a stack of matrices: an expert's matrix, or the half of one. */
export interface StackBlock {
  readonly at: number;
  readonly of: number;
  /** Absent if the blocks are of one matrix, and no stack. */
  readonly matrices?: number;
}

/** Canonical name → the checkpoint's own. A GGUF's names are canonical. */
export type Names = (canonical: string) => string | Stored;

export const identity: Names = (canonical) => canonical;

/** A key for the stored tensor. */
export const keyOf = ({ name, transposed, rows, every, plus }: Stored): string =>
  `${name}${transposed ? "ᵀ" : ""}${rows ? `[${rows.join(":")}]` : ""}${every ? `(${every.at}/${every.of})` : ""}${plus ? `+${plus}` : ""}`;
