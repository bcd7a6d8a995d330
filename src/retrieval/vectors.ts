import { InnerProducts, type RowTable } from "./inner-products.ts";
import { byScore, type Hit, Top } from "./top.ts";

/** The number of extra candidates, because float32 may order nearly equal products wrongly. */
const SPARE = 32;

interface Candidate extends Hit {
  readonly row: Float32Array;
}

/**
 * Vectors in memory, one per chunk. A query is compared with all of them, and the best are rescored in float64: results
 * are exact. Disposing waits for running queries.
 */
export class VectorTable implements Disposable {
  readonly #tables: RowTable[] = [];
  #running = 0;
  #disposed = false;

  private constructor(private readonly products: InnerProducts) {}

  /** `width`: the width of a vector. */
  static async open(width: number): Promise<VectorTable> {
    return new VectorTable(await InnerProducts.compile(width));
  }

  get count(): number {
    return this.#tables.reduce((sum, { count }) => sum + count, 0);
  }

  /** The number of the newest chunk; −1 before the first. */
  get last(): number {
    const table = this.#tables.at(-1);
    return table ? table.chunks[table.count - 1]! : -1;
  }

  /** Chunks come in ascending order. */
  add(chunk: number, vector: Float32Array): void {
    let table = this.#tables.at(-1);
    if (!table || table.full) {
      table = this.products.table();
      this.#tables.push(table);
    }
    table.add(chunk, vector);
  }

  /** The chunks with the largest inner products. `query`: `width` numbers. */
  async nearest(query: Float32Array, top: number): Promise<Hit[]> {
    this.#running++;
    try {
      const candidates = await this.#candidates(query, top + SPARE);
      return candidates
        .map(({ chunk, row }) => ({ chunk, score: innerProduct(row, query) }))
        .sort(byScore)
        .slice(0, top);
    } finally {
      this.#running--;
      if (this.#disposed) this.#free();
    }
  }

  async #candidates(query: Float32Array, most: number): Promise<Candidate[]> {
    const best = new Top<Candidate>(most);
    for await (const { table, products } of this.products.of(query, [...this.#tables]))
      for (let i = 0; i < products.length; i++) {
        const score = products[i]!;
        if (score >= best.least) best.offer({ chunk: table.chunks[i]!, score, row: table.row(i) });
      }
    return best.sorted();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#free();
  }

  #free(): void {
    if (this.#running > 0) return;
    for (const table of this.#tables.splice(0)) table[Symbol.dispose]();
    this.products[Symbol.dispose]();
  }
}

const innerProduct = (row: Float32Array, query: Float32Array): number =>
  row.reduce((sum, value, i) => sum + value * query[i]!, 0);
