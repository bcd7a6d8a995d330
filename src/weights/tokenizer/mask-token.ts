import type { Tokenizer } from "./tokenizer.ts";

/** The texts of mask tokens, LLaDA's and Dream's. New models get the first. */
const MASKS = ["<|mdm_mask|>", "<|mask|>"] as const;
export const [MASK_TOKEN] = MASKS;

/** The id of the token that stands in masked places; undefined if the tokenizer names none. */
export const maskIdOf = (tokenizer: Pick<Tokenizer, "mask" | "specialId">): number | undefined =>
  tokenizer.mask ?? MASKS.map((name) => tokenizer.specialId(name)).find((id) => id !== undefined);
