import { setImmediate } from "node:timers/promises";
import { bytesOfCodes, type CodeBits, type DType, Graph, quantizedLinear, storedBlocks, sym } from "../graph/index.ts";
import { Buffer } from "./buffer.ts";
import { type BoundProgram, Program } from "./program.ts";

/** A product with a matrix [n, k] of codes, as a model has it. */
export interface Product {
  readonly n: number;
  readonly k: number;
  /** True if its blocks have minima, which 4-bit codes are corrected for. */
  readonly minimum: boolean;
}

/** Two measurements of the same time, in milliseconds. */
export type Twice = readonly [number, number];

/** The time of products with so many rows, in codes of 4 and of 8 bits. */
export type Timer = (products: readonly Product[], rows: number) => Promise<Readonly<Record<CodeBits, Twice>>>;

/** Weights that share a scale, where codes may be of 4 bits. */
const BLOCK = 32;

/** Each form is run in turn, so many times for a measurement. The least time counts: whatever else the machine does only adds. */
const ROUNDS = 12;

/** Runs products one after another on matrices of zeros, since no kernel minds the values. */
export const timeProducts: Timer = async (products, rows) => {
  using four = await Sample.compile(products, 4, rows);
  using eight = await Sample.compile(products, 8, rows);
  const [first, second] = [await leastTimes(four, eight), await leastTimes(four, eight)];
  return { 4: [first[4], second[4]], 8: [first[8], second[8]] };
};

async function leastTimes(four: Sample, eight: Sample): Promise<Record<CodeBits, number>> {
  const least = { 4: Number.POSITIVE_INFINITY, 8: Number.POSITIVE_INFINITY };
  for (let round = 0; round < ROUNDS; round++) {
    least[4] = Math.min(least[4], four.time());
    least[8] = Math.min(least[8], eight.time());
    await setImmediate();
  }
  return least;
}

/** Products in one form, bound to buffers of their own. */
class Sample implements Disposable {
  readonly #held: Disposable[];
  readonly #bound: BoundProgram;

  private constructor(program: Program, { inputs, outputs }: Graph, rows: number) {
    const buffers = [...inputs, ...outputs].map(({ name, tensor }) => {
      const width = Number(tensor.shape.at(-1));
      const buffer = new Buffer("f32", rows * width);
      // Memory as it comes may hold numbers so small that the kernel takes many times as long.
      new Float32Array(buffer.memory).fill(1);
      return { name, width, buffer };
    });
    this.#held = [program, ...buffers.map(({ buffer }) => buffer)];
    const views = buffers.map(({ name, width, buffer }) => [name, buffer.view([1, rows, width])]);
    this.#bound = program.bind(Object.fromEntries(views));
  }

  static async compile(products: readonly Product[], bits: CodeBits, rows: number): Promise<Sample> {
    const graph = traceProducts(products, bits);
    return new Sample(await Program.compile(graph), graph, rows);
  }

  time(): number {
    const started = performance.now();
    this.#bound.runSync();
    return performance.now() - started;
  }

  [Symbol.dispose](): void {
    for (const held of this.#held) held[Symbol.dispose]();
  }
}

/** Products of inputs of their own, each an output: x0 [1, rows, k] → y0 [1, rows, n], and so on. */
function traceProducts(products: readonly Product[], bits: CodeBits): Graph {
  const graph = new Graph();
  const zeros = (name: string, dtype: DType, shape: readonly number[]) => {
    const bytes = new Uint8Array(shape.reduce((a, b) => a * b, dtype === "u8" ? 1 : Float32Array.BYTES_PER_ELEMENT));
    return graph.constant(name, { dtype, shape }, { kind: "memory", bytes });
  };
  for (const [i, { n, k, minimum }] of products.entries()) {
    const corrected = minimum && bits === 4;
    const blocks = corrected ? storedBlocks(k / BLOCK) : k / BLOCK;
    const matrix = {
      ...{ bits, corrected },
      codes: zeros(`codes${i}`, "u8", [n, blocks, bytesOfCodes(BLOCK, bits)]),
      scale: zeros(`scale${i}`, "f32", [n, blocks]),
      zero: zeros(`zero${i}`, "u8", [n, bytesOfCodes(blocks, bits)]),
    };
    graph.output(`y${i}`, quantizedLinear(graph.input(`x${i}`, "f32", [1, sym("rows"), k]), matrix));
  }
  return graph;
}
