import { Graph, sumOfSquares, sym } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { ParameterStore } from "./parameters.ts";

/** The number of elements summed at a time in float32; these partial sums are added in float64. */
const ROW = 4096;

/** Computes the norm of the gradient of all trained parameters. */
export class GradientNorm implements Disposable {
  readonly #rows: number;
  readonly #sums: Buffer;
  #program: Promise<Program> | undefined;

  constructor(private readonly store: ParameterStore) {
    this.#rows = Math.floor(store.trainedElements / ROW);
    this.#sums = new Buffer("f32", Math.max(1, this.#rows));
  }

  async now(): Promise<number> {
    const { gradients, trainedElements } = this.store;
    const rows = this.#rows;
    if (rows > 0) {
      this.#program ??= Program.compile(trace());
      const x = gradients.view([rows, ROW]);
      await (await this.#program).bind({ x, sums: this.#sums.view([rows]) }).run();
    }
    const [sums, all] = [new Float32Array(this.#sums.memory), new Float32Array(gradients.memory)];
    let squares = 0;
    for (let row = 0; row < rows; row++) squares += sums[row]!;
    for (let i = rows * ROW; i < trainedElements; i++) squares += all[i]! ** 2;
    return Math.sqrt(squares);
  }

  [Symbol.dispose](): void {
    this.#sums[Symbol.dispose]();
    void this.#program?.then((program) => program[Symbol.dispose]());
  }
}

function trace(): Graph {
  const g = new Graph();
  g.output("sums", sumOfSquares(g.input("x", "f32", [sym("n"), ROW])));
  return g;
}
