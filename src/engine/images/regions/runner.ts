import { type Bindings, evalCost, type Graph, type Spent } from "../../../graph/index.ts";
import { Buffer, ViewSet } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";

/** A tensor of numbers with its shape. */
export interface Floats {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A small program with float inputs and outputs, for tensors of any supported size. */
export class FloatRunner implements Disposable {
  /** Resolves when the submitted runs are done: only one at a time may use the buffers. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly program: Program) {}

  static async compile(graph: Graph): Promise<FloatRunner> {
    return new FloatRunner(await Program.compile(graph));
  }

  /** The cost of a run; `sizes` are the graph's symbols. */
  cost(sizes: Bindings): Spent {
    return evalCost(this.program.cost, sizes);
  }

  /** Returns outputs by name, in shapes that the caller knows. */
  run<N extends string>(
    inputs: Readonly<Record<string, Floats>>,
    shapes: Readonly<Record<N, readonly number[]>>,
  ): Promise<Record<N, Float32Array>> {
    const run = this.#last.then(() => this.#run(inputs, shapes));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #run<N extends string>(
    inputs: Readonly<Record<string, Floats>>,
    shapes: Readonly<Record<N, readonly number[]>>,
  ): Promise<Record<N, Float32Array>> {
    const buffers: Buffer[] = [];
    using views = new ViewSet();
    const view = (shape: readonly number[]) => {
      const buffer = new Buffer("f32", Math.max(1, volume(shape)));
      buffers.push(buffer);
      return views.of(buffer, shape, 0);
    };
    try {
      const bound = Object.entries(inputs).map(([name, { shape, values }]) => {
        const input = view(shape);
        new Float32Array(input.buffer.memory).set(values);
        return [name, input] as const;
      });
      const outputs = (Object.keys(shapes) as N[]).map((name) => [name, view(shapes[name])] as const);
      await this.program.bind(Object.fromEntries([...bound, ...outputs])).run();
      const values = outputs.map(([name, { buffer, shape }]) => [
        name,
        new Float32Array(buffer.memory).slice(0, volume(shape)),
      ]);
      return Object.fromEntries(values) as Record<N, Float32Array>;
    } finally {
      for (const buffer of buffers) buffer[Symbol.dispose]();
    }
  }

  /** Frees the program once the submitted runs are done. */
  [Symbol.dispose](): void {
    void this.#last.then(() => this.program[Symbol.dispose]());
  }
}

const volume = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
