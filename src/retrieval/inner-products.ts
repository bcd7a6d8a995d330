import { sym } from "../graph/dim.ts";
import { Graph } from "../graph/graph.ts";
import { linear } from "../graph/ops/matmul.ts";
import { Buffer } from "../runtime/buffer.ts";
import { Program } from "../runtime/program.ts";

/** The maximum number of rows in a table: 50 MB for vectors of width 384. Only written rows take memory. */
const ROWS = 32_768;

/** Computes inner products of a query with tables' rows in ONNX Runtime, four times as fast as in JavaScript. */
export class InnerProducts implements Disposable {
  private constructor(
    readonly width: number,
    private readonly program: Program,
  ) {}

  static async compile(width: number): Promise<InnerProducts> {
    const graph = new Graph();
    const rows = graph.input("rows", "f32", [sym("count"), width]);
    graph.output("products", linear(rows, graph.input("query", "f32", [width, 1])));
    return new InnerProducts(width, await Program.compile(graph));
  }

  /** An empty table of rows. */
  table(): RowTable {
    return new RowTable(this.width);
  }

  /** Yields the products of each table's first rows with the query; `products` is valid until the next step. */
  async *of(
    query: Float32Array,
    tables: readonly RowTable[],
  ): AsyncGenerator<{ table: RowTable; products: Float32Array }> {
    using queryBuffer = new Buffer("f32", this.width);
    using products = new Buffer("f32", ROWS);
    new Float32Array(queryBuffer.memory).set(query);
    for (const table of tables) {
      const { count } = table;
      using rows = table.rows.fresh([count, this.width]);
      await this.program
        .bind({ rows, query: queryBuffer.view([this.width, 1]), products: products.view([count, 1]) })
        .run();
      yield { table, products: new Float32Array(products.memory, 0, count) };
    }
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
  }
}

/** Rows in native memory, each with the number of its chunk. */
export class RowTable implements Disposable {
  readonly rows: Buffer;
  readonly chunks = new Int32Array(ROWS);
  count = 0;

  constructor(private readonly width: number) {
    this.rows = new Buffer("f32", ROWS * width);
  }

  get full(): boolean {
    return this.count === ROWS;
  }

  add(chunk: number, row: Float32Array): void {
    new Float32Array(this.rows.memory).set(row, this.count * this.width);
    this.chunks[this.count++] = chunk;
  }

  row(index: number): Float32Array {
    return new Float32Array(this.rows.memory, 4 * index * this.width, this.width);
  }

  [Symbol.dispose](): void {
    this.rows[Symbol.dispose]();
  }
}
