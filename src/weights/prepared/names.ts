import type { Rows } from "../checkpoint.ts";

/**
 * The checkpoint's place of a tensor that a model asks for by its canonical name, which is GGUF's
 * (`blk.0.attn_q.weight`).
 */
export interface Stored {
  readonly name: string;
  /** Stored [inputs, outputs], as GPT-2's Conv1D has it, where a matrix is called for as [outputs, inputs]. */
  readonly transposed?: true;
  /** A slice of a fused tensor: these of its outputs. */
  readonly rows?: Rows;
  /** Added to every element: Gemma's gains are stored less one. */
  readonly plus?: number;
}

/** Canonical name → the checkpoint's own. A GGUF's names are canonical. */
export type Names = (canonical: string) => string | Stored;

export const identity: Names = (canonical) => canonical;

/** A text that tells apart whatever of a checkpoint `stored` may be. */
export const keyOf = ({ name, transposed, rows, plus }: Stored): string =>
  `${name}${transposed ? "ᵀ" : ""}${rows ? `[${rows.join(":")}]` : ""}${plus ? `+${plus}` : ""}`;
