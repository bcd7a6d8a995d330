import { Buffer, type View } from "../runtime/buffer.ts";
import type { DecoderConfig } from "./decoder.ts";

/** Capacity comes in whole blocks, so that block-sparse attention may see the cache as rows of blocks. */
export const CACHE_BLOCK = 128;

/** Keys and values of one sequence, [1, kvHeads, capacity, headSize] a layer; written in place, resident only as far as written. */
export class KvCache implements Disposable {
  readonly capacity: number;
  readonly #layers: { readonly key: Buffer; readonly value: Buffer }[];

  constructor(readonly config: DecoderConfig) {
    const { layers, kvHeads, headSize, context } = config;
    this.capacity = Math.ceil(context / CACHE_BLOCK) * CACHE_BLOCK;
    const elements = kvHeads * this.capacity * headSize;
    this.#layers = Array.from({ length: layers }, () => ({
      key: new Buffer("f32", elements),
      value: new Buffer("f32", elements),
    }));
  }

  /** One layer as attention binds it. */
  layer(index: number): { key: View; value: View } {
    const { kvHeads, headSize } = this.config;
    return this.#view(index, [1, kvHeads, this.capacity, headSize]);
  }

  /** The first `rows` rows of one key–value head, as rows of `width` elements (whole tokens, one after the other). */
  head(index: number, head: number, rows: number, width: number): { key: View; value: View } {
    return this.#view(index, [rows, width], head * this.capacity * this.config.headSize);
  }

  /** Where one key–value head's `position` lies: element offset into the layer's buffers. */
  place(index: number, head: number, position: number): { key: Buffer; value: Buffer; offset: number } {
    return { ...this.#layers[index]!, offset: (head * this.capacity + position) * this.config.headSize };
  }

  #view(index: number, shape: number[], offset = 0): { key: View; value: View } {
    const { key, value } = this.#layers[index]!;
    return { key: key.view(shape, offset), value: value.view(shape, offset) };
  }

  [Symbol.dispose](): void {
    for (const { key, value } of this.#layers) {
      key[Symbol.dispose]();
      value[Symbol.dispose]();
    }
  }
}
