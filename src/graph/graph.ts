import type { Shape } from "./dim.ts";
import type { Op } from "./op.ts";
import type { DType, Tensor, TensorType } from "./tensor.ts";

/** A constant's bytes: in memory (small ones), or a span of a file that the runtime maps. */
export type ConstantData =
  | { readonly kind: "memory"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly path: string; readonly offset: number; readonly bytes: number };

export interface Constant {
  readonly name: string;
  readonly tensor: Tensor;
  readonly data: ConstantData;
}

export interface Node {
  readonly op: Op<unknown>;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: unknown;
}

export interface Port {
  readonly name: string;
  readonly tensor: Tensor;
}

/** A traced computation: inputs, constants, operators in order, outputs. Pure data. */
export class Graph {
  readonly inputs: Port[] = [];
  readonly outputs: Port[] = [];
  readonly constants: Constant[] = [];
  readonly #named = new Map<string, Tensor>();
  readonly nodes: Node[] = [];
  #nextId = 0;

  /** `origin`: the graph that contains this one. */
  constructor(readonly origin?: Graph) {}

  #tensor(type: TensorType): Tensor {
    return { ...type, graph: this, id: this.#nextId++ };
  }

  input(name: string, dtype: DType, shape: Shape): Tensor {
    const tensor = this.#tensor({ dtype, shape });
    this.inputs.push({ name, tensor });
    return tensor;
  }

  /** A named constant; the same name gives the same tensor, so tied weights are stored once. */
  constant(name: string, type: TensorType, data: ConstantData): Tensor {
    // Functions such as `carve` may have added `constants` themselves.
    for (const added of this.constants.slice(this.#named.size)) this.#named.set(added.name, added.tensor);
    const known = this.#named.get(name);
    if (known) return known;
    const tensor = this.#tensor(type);
    this.constants.push({ name, tensor, data });
    return tensor;
  }

  output(name: string, tensor: Tensor): void {
    this.outputs.push({ name, tensor });
  }

  record<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
    const outputs = op.infer(inputs, attrs).map((type) => this.#tensor(type));
    this.nodes.push({ op: op as Op<unknown>, inputs, outputs, attrs });
    return outputs;
  }
}
