import { setImmediate } from "node:timers/promises";
import {
  type Block,
  byteLinear,
  bytesOfCodes,
  type CodeBits,
  type DType,
  Graph,
  quantizedLinear,
  storedBlocks,
  sym,
  type Tensor,
} from "../graph/index.ts";
import { Buffer } from "./buffer.ts";
import { type BoundProgram, Program } from "./program.ts";

/** The product of an input with a matrix [n, k] in one weight form. */
export interface Product {
  readonly n: number;
  readonly k: number;
  readonly form: ProductForm;
}

/** The matrix's form: codes in blocks that share a scale, or bytes, rotated in blocks of `rotation` inputs. */
type ProductForm =
  | { readonly kind: "codes"; readonly bits: CodeBits; readonly block: Block; readonly corrected: boolean }
  | { readonly kind: "bytes"; readonly rotation: number };

/** Two measurements of the same duration, in milliseconds. */
export type Twice = readonly [number, number];

/** The time of products with this many rows, by form. */
export type Timer = <F extends string | number>(
  forms: Readonly<Record<F, readonly Product[]>>,
  rows: number,
) => Promise<Readonly<Record<F, Twice>>>;

/**
 * Rounds per measurement; forms take turns. The shortest time counts, because other work on the machine only adds time.
 */
const ROUNDS = 12;

/** Runs products one after another on matrices of zeros; kernels take the same time for any values. */
export const timeProducts: Timer = async <F extends string | number>(
  forms: Readonly<Record<F, readonly Product[]>>,
  rows: number,
): Promise<Record<F, Twice>> => {
  const names = Object.keys(forms) as F[];
  const samples: Sample[] = [];
  try {
    for (const name of names) samples.push(await Sample.compile(forms[name], rows));
    const [first, second] = [await leastTimes(samples), await leastTimes(samples)];
    const twice = names.map((name, i): [F, Twice] => [name, [first[i]!, second[i]!]]);
    return Object.fromEntries(twice) as Record<F, Twice>;
  } finally {
    for (const sample of samples) sample[Symbol.dispose]();
  }
};

async function leastTimes(samples: readonly Sample[]): Promise<number[]> {
  const least = samples.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, sample] of samples.entries()) least[i] = Math.min(least[i]!, sample.time());
    await setImmediate();
  }
  return least;
}

/** A program of products in one weight form, with its own buffers. */
class Sample implements Disposable {
  readonly #held: Disposable[];
  readonly #bound: BoundProgram;

  private constructor(program: Program, { inputs, outputs }: Graph, rows: number) {
    const buffers = [...inputs, ...outputs].map(({ name, tensor }) => {
      const width = Number(tensor.shape.at(-1));
      const buffer = new Buffer("f32", rows * width);
      // Uninitialised memory may hold denormal numbers, on which the kernel is many times slower.
      new Float32Array(buffer.memory).fill(1);
      return { name, width, buffer };
    });
    this.#held = [program, ...buffers.map(({ buffer }) => buffer)];
    const views = buffers.map(({ name, width, buffer }) => [name, buffer.view([1, rows, width])]);
    this.#bound = program.bind(Object.fromEntries(views));
  }

  static async compile(products: readonly Product[], rows: number): Promise<Sample> {
    const graph = traceProducts(products);
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

/** Independent products: x0 [1, rows, k] → y0 [1, rows, n], and so on. */
function traceProducts(products: readonly Product[]): Graph {
  const graph = new Graph();
  for (const [i, product] of products.entries()) {
    const x = graph.input(`x${i}`, "f32", [1, sym("rows"), product.k]);
    graph.output(`y${i}`, traceProduct(graph, x, product, `${i}`));
  }
  return graph;
}

function traceProduct(graph: Graph, x: Tensor, { n, k, form }: Product, name: string): Tensor {
  const zeros = (of: string, dtype: DType, shape: readonly number[]) => {
    const bytes = new Uint8Array(shape.reduce((a, b) => a * b, dtype === "f32" ? Float32Array.BYTES_PER_ELEMENT : 1));
    return graph.constant(`${of}${name}`, { dtype, shape }, { kind: "memory", bytes });
  };
  switch (form.kind) {
    case "codes": {
      const { bits, block, corrected } = form;
      const blocks = corrected ? storedBlocks(k / block) : k / block;
      return quantizedLinear(x, {
        ...{ bits, corrected },
        codes: zeros("codes", "u8", [n, blocks, bytesOfCodes(block, bits)]),
        scale: zeros("scale", "f32", [n, blocks]),
        zero: zeros("zero", "u8", [n, bytesOfCodes(blocks, bits)]),
      });
    }
    case "bytes": {
      const { rotation } = form;
      return byteLinear(x, {
        codes: zeros("codes", "i8", [k, n]),
        scale: zeros("scale", "f32", [n]),
        block: zeros("rotation", "f32", [rotation, rotation]),
      });
    }
  }
}
