import { Buffer, type View } from "../runtime/buffer.ts";
import type { DecoderConfig } from "./decoder.ts";

/** Capacity comes in whole blocks, so that block-sparse attention may see the cache as rows of blocks. */
export const CACHE_BLOCK = 128;

interface LayerBuffers {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Adjacent rows of a cache, a sequence each: [rows, kvHeads, capacity, headSize] a layer, seen where they lie. */
export class KvRows {
  constructor(
    readonly config: DecoderConfig,
    protected readonly layers: readonly LayerBuffers[],
    /** Tokens of a row. */
    readonly capacity: number,
    private readonly first: number,
    readonly rows: number,
  ) {}

  /** `count` rows from row `start` on. */
  span(start: number, count: number): KvRows {
    return new KvRows(this.config, this.layers, this.capacity, this.first + start, count);
  }

  /** One layer as attention binds it. */
  layer(index: number): { key: View; value: View } {
    const { kvHeads, headSize } = this.config;
    return this.#view(index, [this.rows, kvHeads, this.capacity, headSize], 0);
  }

  /** Of the first row, the first `rows` rows of one key–value head, as rows of `width` elements (whole tokens, one after the other). */
  head(index: number, head: number, rows: number, width: number): { key: View; value: View } {
    return this.#view(index, [rows, width], head);
  }

  /** Where the first row's `position` of one key–value head lies: element offset into the layer's buffers. */
  place(index: number, head: number, position: number): { key: Buffer; value: Buffer; offset: number } {
    return { ...this.layers[index]!, offset: this.#offset(head) + position * this.config.headSize };
  }

  #offset(head: number): number {
    return (this.first * this.config.kvHeads + head) * this.capacity * this.config.headSize;
  }

  #view(index: number, shape: number[], head: number): { key: View; value: View } {
    const { key, value } = this.layers[index]!;
    return { key: key.view(shape, this.#offset(head)), value: value.view(shape, this.#offset(head)) };
  }
}

/** Keys and values of `rows` sequences, as long as the model's context; written in place, resident only as far as written. */
export class KvCache extends KvRows implements Disposable {
  constructor(config: DecoderConfig, rows = 1) {
    const capacity = Math.ceil(config.context / CACHE_BLOCK) * CACHE_BLOCK;
    const buffer = () => new Buffer("f32", rows * config.kvHeads * capacity * config.headSize);
    const layers = Array.from({ length: config.layers }, () => ({ key: buffer(), value: buffer() }));
    super(config, layers, capacity, 0, rows);
  }

  [Symbol.dispose](): void {
    for (const { key, value } of this.layers) {
      key[Symbol.dispose]();
      value[Symbol.dispose]();
    }
  }
}
