import path from "node:path";

export const MODEL = "smollm2";
/** The number of layers, of 30, before the exit. */
export const EXIT = 15;
/** Texts of the exit head that is trained without LoRA: options of `savings train`. */
export const EXIT_TEXTS = { tokens: 60_000, block: 256, seed: 0 };
export const RESULTS = path.join(import.meta.dirname, "results.json");

export interface Results {
  readonly machine: string;
  /** Tokens of the training texts, and held-out ones. */
  readonly texts: number;
  readonly heldOut: number;
  /** The share of held-out positions at which the exit agrees with the whole model, by training tokens. */
  readonly evaluations: readonly { readonly tokens: number; readonly agree: number }[];
  /** The same for the model's commonest choice, and for the commonest after the same token. */
  readonly commonest: number;
  readonly behindToken: number;
}
