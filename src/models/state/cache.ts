import { bytesPerElement } from "../../graph/tensor.ts";
import { type Bindable, Buffer, type View, type ViewSet } from "../../runtime/buffer.ts";
import { type DecoderConfig, headsOf, keepsKeys } from "../decoder/decoder.ts";
import { hasWindow } from "./window-start.ts";

/** Capacity is a multiple of this, so that block-sparse attention can view the cache as rows of blocks. */
export const CACHE_BLOCK = 128;

/** The keys and values of a layer that keeps them, or the state of a recurrent layer. */
type LayerBuffers = Partial<KeyValue> & { readonly state?: Buffer };

interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * Adjacent rows of a cache, one sequence each, viewed in place: [rows, kvHeads, capacity, headSize] per attention layer, and
 * a recurrent layer's state [rows, floats]. A layer that attends to another layer's keys uses that layer's buffers.
 */
export class KvRows {
  constructor(
    readonly config: DecoderConfig,
    protected readonly layers: readonly LayerBuffers[],
    /** The number of tokens per row. */
    readonly capacity: number,
    private readonly first: number,
    readonly rows: number,
  ) {}

  /** `count` rows, starting at row `start`. */
  span(start: number, count: number): KvRows {
    return new KvRows(this.config, this.layers, this.capacity, this.first + start, count);
  }

  /** One layer's views for attention. */
  layer(index: number): { key: View; value: View } {
    const { kvHeads, headSize } = headsOf(this.config, index);
    return this.#view(index, [this.rows, kvHeads, this.capacity, headSize], 0);
  }

  /** One layer's views for attention, if layers with a window begin at token `start`. The set owns the views. */
  from(index: number, start: number, views: ViewSet): { key: View; value: View } {
    if (start === 0 || !hasWindow(this.config, index)) return this.layer(index);
    const { kvHeads, headSize } = headsOf(this.config, index);
    const shape = [this.rows, kvHeads, this.capacity, headSize];
    const { key, value, offset } = this.place(index, 0, start);
    return { key: views.of(key, shape, offset), value: views.of(value, shape, offset) };
  }

  /** Like `from`, but may also return views of rows in other memory. */
  bound(index: number, start: number, views: ViewSet): { key: Bindable; value: Bindable } {
    return this.from(index, start, views);
  }

  /**
   * Returns the memory of every row's tokens from `first` to `end` in these layers to the system; it then reads as
   * zeros.
   */
  giveBack(layers: readonly number[], first: number, end: number): void {
    for (const { key, value, offset, headSize } of this.#heads(layers))
      for (const buffer of [key, value]) buffer.giveBack(offset + first * headSize, (end - first) * headSize);
  }

  /** Copies tokens from `first` to `end` of another cache's first row to this cache's first row, in these layers. */
  copy(from: KvRows, layers: readonly number[], first: number, end: number): void {
    for (const { own, theirs, elements } of this.#beside(from, layers, first, end)) {
      own.key.copy(own.offset, theirs.key, theirs.offset, elements);
      own.value.copy(own.offset, theirs.value, theirs.offset, elements);
    }
  }

  /** Like `copy`, but exchanges the contents. */
  exchange(other: KvRows, layers: readonly number[], first: number, end: number): void {
    for (const { own, theirs, elements } of this.#beside(other, layers, first, end)) {
      own.key.exchange(own.offset, theirs.key, theirs.offset, elements);
      own.value.exchange(own.offset, theirs.value, theirs.offset, elements);
    }
  }

  /** The bytes of the first row's tokens from `first` to `end` in all layers, and of its states. */
  read(first: number, end: number): Uint8Array {
    const parts = [...this.#parts(first, end)];
    const bytes = new Uint8Array(parts.reduce((sum, { size }) => sum + size, 0));
    let at = 0;
    for (const { buffer, offset, size } of parts) {
      buffer.read(offset, bytes.subarray(at, at + size));
      at += size;
    }
    return bytes;
  }

  /** Writes what `read` returned. */
  write(first: number, end: number, bytes: Uint8Array): void {
    let at = 0;
    for (const { buffer, offset, size } of this.#parts(first, end)) {
      buffer.write(offset, bytes.subarray(at, at + size));
      at += size;
    }
  }

  /** Yields the memory of the first row's tokens from `first` to `end`, and of its states; `size` is in bytes. */
  *#parts(first: number, end: number): Generator<{ buffer: Buffer; offset: number; size: number }> {
    for (const [index, { key, value, state }] of this.layers.entries()) {
      if (key && value)
        for (let head = 0; head < headsOf(this.config, index).kvHeads; head++) {
          const { offset, headSize } = this.place(index, head, first);
          const size = (end - first) * headSize * bytesPerElement.f32;
          yield { buffer: key, offset, size };
          yield { buffer: value, offset, size };
        }
      if (state) {
        const { floats } = this.#state(index);
        yield { buffer: state, offset: this.first * floats, size: floats * bytesPerElement.f32 };
      }
    }
  }

  /** In the first row, copies token `at` of layer `from` to token `to` of layer `layer`. */
  copyToken(layer: number, to: number, from: number, at: number): void {
    const { kvHeads, headSize } = headsOf(this.config, layer);
    for (let head = 0; head < kvHeads; head++) {
      const [own, other] = [this.place(layer, head, to), this.place(from, head, at)];
      own.key.copy(own.offset, other.key, other.offset, headSize);
      own.value.copy(own.offset, other.value, other.offset, headSize);
    }
  }

  /** Yields matching tokens from the first rows of both caches, one head at a time. */
  *#beside(other: KvRows, layers: readonly number[], first: number, end: number) {
    for (const index of layers)
      for (let head = 0; head < headsOf(this.config, index).kvHeads; head++) {
        const [own, theirs] = [this.place(index, head, first), other.place(index, head, first)];
        yield { own, theirs, elements: (end - first) * own.headSize };
      }
  }

  /** Yields the start of every head of every row, in these layers. */
  *#heads(layers: readonly number[]): Generator<ReturnType<KvRows["place"]>> {
    for (const index of layers)
      for (let head = 0; head < this.rows * headsOf(this.config, index).kvHeads; head++)
        yield this.place(index, head, 0);
  }

  /**
   * The first `rows` rows of one key–value head in the cache's first row, viewed as rows of `width` elements (whole
   * tokens, one after the other).
   */
  head(index: number, head: number, rows: number, width: number): { key: View; value: View } {
    return this.#view(index, [rows, width], head);
  }

  /** The offset, in elements, at which the layer's buffers store `position` of one key–value head in the first row. */
  place(index: number, head: number, position: number): KeyValue & { offset: number; headSize: number } {
    const { headSize } = headsOf(this.config, index);
    return { ...this.#keyValue(index), headSize, offset: this.#offset(index, head) + position * headSize };
  }

  /** The states of a recurrent layer, [rows, floats], for binding. */
  states(index: number): View {
    const { buffer, floats } = this.#state(index);
    return buffer.view([this.rows, floats], this.first * floats);
  }

  /** The memory of a recurrent layer's state in the first row, not a copy. */
  state(index: number): Float32Array {
    const { buffer, floats } = this.#state(index);
    return new Float32Array(buffer.memory, this.first * floats * Float32Array.BYTES_PER_ELEMENT, floats);
  }

  /** Copies the states in another cache's first row to this cache's first row, in these layers. */
  copyStates(from: KvRows, layers: readonly number[]): void {
    for (const index of layers) {
      const [own, theirs] = [this.#state(index), from.#state(index)];
      own.buffer.copy(this.first * own.floats, theirs.buffer, from.first * own.floats, own.floats);
    }
  }

  /** Like `copyStates`, but exchanges the states. */
  exchangeStates(other: KvRows, layers: readonly number[]): void {
    for (const index of layers) {
      const [own, theirs] = [this.#state(index), other.#state(index)];
      own.buffer.exchange(this.first * own.floats, theirs.buffer, other.first * own.floats, own.floats);
    }
  }

  /** Returns the memory of every row's states in these layers to the system. */
  giveBackStates(layers: readonly number[]): void {
    for (const index of layers) {
      const { buffer, floats } = this.#state(index);
      buffer.giveBack(this.first * floats, this.rows * floats);
    }
  }

  #state(index: number): { buffer: Buffer; floats: number } {
    const { state } = this.layers[index]!;
    if (state) return { buffer: state, floats: this.config.recurrent!(index)! };
    throw new Error(`layer ${index} keeps keys and values, and no state`);
  }

  #keyValue(index: number): KeyValue {
    const { key, value } = this.layers[this.config.keysOf?.(index) ?? index]!;
    if (key && value) return { key, value };
    throw new Error(`layer ${index} keeps a state, and no keys and values`);
  }

  #offset(index: number, head: number): number {
    const { kvHeads, headSize } = headsOf(this.config, index);
    return (this.first * kvHeads + head) * this.capacity * headSize;
  }

  #view(index: number, shape: number[], head: number): { key: View; value: View } {
    const { key, value } = this.#keyValue(index);
    const offset = this.#offset(index, head);
    return { key: key.view(shape, offset), value: value.view(shape, offset) };
  }
}

/**
 * The keys and values of `rows` sequences, or their states. They are written in place; only written memory is resident,
 * and layers with a window return memory early.
 */
export class KvCache extends KvRows implements Disposable {
  /** `tokens`: the number of tokens that each row can hold; less than the context if all rows stay shorter. */
  constructor(config: DecoderConfig, rows = 1, tokens = config.context) {
    const capacity = Math.ceil(tokens / CACHE_BLOCK) * CACHE_BLOCK;
    const buffer = (layer: number) => {
      const { kvHeads, headSize } = headsOf(config, layer);
      const heads = (count: number) => new Buffer("f32", count * capacity * headSize);
      const all = rows * kvHeads;
      // A view of a row's full length that starts at a later token also ends later, beyond the written part.
      return hasWindow(config, layer) ? heads(all + 1).inSmallPages() : heads(all);
    };
    const layers = Array.from({ length: config.layers }, (_, l): LayerBuffers => {
      const floats = config.recurrent?.(l);
      return {
        ...(keepsKeys(config, l) && { key: buffer(l), value: buffer(l) }),
        ...(floats !== undefined && { state: new Buffer("f32", rows * floats) }),
      };
    });
    super(config, layers, capacity, 0, rows);
  }

  [Symbol.dispose](): void {
    for (const layer of this.layers) for (const buffer of Object.values(layer)) buffer[Symbol.dispose]();
  }
}
