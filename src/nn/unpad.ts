import { gather, mul, reshape, sym, type Tensor, tokenPlaces, tokenRows } from "../graph/index.ts";

/** The tokens of a batch, padding left out. */
export const kept = sym("kept");

/** The inputs of attention for a batch of texts; everything else runs on tokens. */
export interface TextBatch {
  readonly mask: Tensor;
  readonly padding: Unpadding;
}

/** mask i32 [batch, tokens]: 1 a token, 0 padding. */
export const textBatch = (mask: Tensor): TextBatch => ({ mask, padding: new Unpadding(mask) });

/** A batch without its padding, so that only attention, which is by text, pays for that of other texts (Zeng et al. 2022). */
export class Unpadding {
  readonly #places: Tensor;
  readonly #rows: Tensor;

  /** mask i32 [batch, tokens]: 1 a token, 0 padding. */
  constructor(mask: Tensor) {
    this.#places = tokenPlaces(mask, kept);
    this.#rows = tokenRows(mask);
  }

  /** x [batch, tokens, width] → [kept, width]. */
  unpad(x: Tensor): Tensor {
    const [batch, tokens, width] = x.shape;
    return gather(reshape(x, [mul(batch!, tokens!), width!]), this.#places, 0);
  }

  /** x [kept, width] → [batch, tokens, width]; padding is undefined. */
  pad(x: Tensor): Tensor {
    return gather(x, this.#rows, 0);
  }
}
