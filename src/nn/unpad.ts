import { pad, sym, type Tensor, type TokenPlaces, tokenPlaces, tokenRows, unpad } from "../graph/index.ts";

/** The number of a batch's tokens without padding. */
export const kept = sym("kept");

/** A batch of texts, as attention sees it; other operators run on the tokens without padding. */
export interface TextBatch {
  readonly mask: Tensor;
  readonly padding: Padding;
  /**
   * Rotates queries or keys [batch, tokens, width] by their positions, in the same way in every layer; if absent, each
   * layer uses its own rotation.
   */
  readonly turn?: (x: Tensor) => Tensor;
}

/** Converts between rows of a batch and the rows that layers run on. */
interface Padding {
  unpad(x: Tensor): Tensor;
  pad(x: Tensor): Tensor;
}

/** A batch of rows of equal length, such as images, which has no padding. */
export const evenBatch = (mask: Tensor): TextBatch => ({ mask, padding: { unpad: (x) => x, pad: (x) => x } });

/** mask i32 [batch, tokens]: 1 for a token, 0 for padding. */
export const textBatch = (mask: Tensor): TextBatch => ({ mask, padding: new Unpadding(mask) });

/** A batch without its padding: only attention, which runs on whole texts, still processes it (Zeng et al. 2022). */
export class Unpadding implements Padding {
  readonly #places: TokenPlaces;

  /** mask i32 [batch, tokens]: 1 for a token, 0 for padding. */
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
