import { pad, sym, type Tensor, type TokenPlaces, tokenPlaces, tokenRows, unpad } from "../graph/index.ts";

/** The tokens of a batch, padding left out. */
export const kept = sym("kept");

/** The inputs of attention for a batch of texts; everything else runs on tokens. */
export interface TextBatch {
  readonly mask: Tensor;
  readonly padding: Padding;
  /** Rotates queries or keys [batch, tokens, width] by their places, in every layer alike; absent: as the model's layers do. */
  readonly turn?: (x: Tensor) => Tensor;
}

/** The way from rows of a batch to the rows that layers run on, and back. */
interface Padding {
  unpad(x: Tensor): Tensor;
  pad(x: Tensor): Tensor;
}

/** A batch in which every row is of the same length, as images are: nothing is left out. */
export const evenBatch = (mask: Tensor): TextBatch => ({ mask, padding: { unpad: (x) => x, pad: (x) => x } });

/** mask i32 [batch, tokens]: 1 a token, 0 padding. */
export const textBatch = (mask: Tensor): TextBatch => ({ mask, padding: new Unpadding(mask) });

/** A batch without its padding, so that only attention, which is by text, pays for that of other texts (Zeng et al. 2022). */
export class Unpadding implements Padding {
  readonly #places: TokenPlaces;

  /** mask i32 [batch, tokens]: 1 a token, 0 padding. */
  constructor(mask: Tensor) {
    this.#places = { mask, places: tokenPlaces(mask, kept), rows: tokenRows(mask) };
  }

  /** x [batch, tokens, width] → [kept, width]. */
  unpad(x: Tensor): Tensor {
    return unpad(x, this.#places);
  }

  /** x [kept, width] → [batch, tokens, width]; padding is undefined. */
  pad(x: Tensor): Tensor {
    return pad(x, this.#places);
  }
}
