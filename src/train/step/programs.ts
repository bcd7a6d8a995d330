import { type Graph, inPrecision, type PrecisionPolicy } from "../../graph/index.ts";
import { encodeOnnx } from "../../runtime/onnx/encode.ts";
import { Program } from "../../runtime/program.ts";
import { sha256Of } from "../../util/hash.ts";

/** Compiles graphs in a precision. Layers that differ only in their weights share one program. */
export class Programs implements Disposable {
  readonly #known = new Map<string, Promise<Program>>();

  constructor(private readonly precision: PrecisionPolicy) {}

  of(source: Graph): Promise<Program> {
    const graph = inPrecision(source, this.precision);
    const key = sha256Of(encodeOnnx(graph));
    const program = this.#known.get(key) ?? Program.compile(graph);
    this.#known.set(key, program);
    return program;
  }

  [Symbol.dispose](): void {
    for (const program of this.#known.values())
      program.then(
        (compiled) => compiled[Symbol.dispose](),
        () => {},
      );
  }
}
