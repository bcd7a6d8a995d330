import { type Hit, Top } from "./top.ts";

/** Vectors in memory, each of a chunk. A query is compared with all of them: results are exact. */
export class VectorTable {
  #chunks = new Int32Array(0);
  #values = new Float32Array(0);
  #count = 0;

  /** `width`: the numbers of a vector. */
  constructor(readonly width: number) {}

  get count(): number {
    return this.#count;
  }

  /** The newest chunk; −1 if there is none. */
  get last(): number {
    return this.#chunks[this.#count - 1] ?? -1;
  }

  /** Chunks come in the order of their numbers. */
  add(chunk: number, vector: Float32Array): void {
    if (this.#count === this.#chunks.length) this.#grow(Math.max(1024, Math.ceil(this.#count * 1.5)));
    this.#chunks[this.#count] = chunk;
    this.#values.set(vector, this.#count * this.width);
    this.#count++;
  }

  #grow(room: number): void {
    const [chunks, values] = [new Int32Array(room), new Float32Array(room * this.width)];
    chunks.set(this.#chunks);
    values.set(this.#values);
    [this.#chunks, this.#values] = [chunks, values];
  }

  /** The chunks with the largest inner products. `query`: `width` numbers. */
  nearest(query: Float32Array, top: number): Hit[] {
    const kept = new Top(top);
    for (let i = 0; i < this.#count; i++) {
      const score = innerProduct(this.#values, i * this.width, query);
      if (score >= kept.least) kept.offer({ chunk: this.#chunks[i]!, score });
    }
    return kept.sorted();
  }
}

/** Four sums side by side: one alone would wait for each addition. */
function innerProduct(values: Float32Array, from: number, query: Float32Array): number {
  const whole = query.length - (query.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0, at = from; i < whole; i += 4, at += 4) {
    a += values[at]! * query[i]!;
    b += values[at + 1]! * query[i + 1]!;
    c += values[at + 2]! * query[i + 2]!;
    d += values[at + 3]! * query[i + 3]!;
  }
  for (let i = whole; i < query.length; i++) a += values[from + i]! * query[i]!;
  return a + b + (c + d);
}
