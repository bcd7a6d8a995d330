import type { StoredTensor } from "../checkpoint.ts";
import type { Initializer, OnnxGraph, OnnxNode } from "./graph.ts";

/** An initializer, which may consist of bytes with one scale and zero point, or one of each per index of an axis. */
export interface OnnxArray {
  readonly data: Initializer;
  readonly scale?: Initializer | undefined;
  readonly zero?: Initializer | undefined;
  readonly axis: number;
  /** True if the tensor is stored as [inputs, outputs]. */
  readonly transposed: boolean;
}

/** A tensor of the exported model: one initializer, or several concatenated ones. */
export interface OnnxTensor extends StoredTensor {
  readonly pieces: readonly OnnxArray[];
}

/**
 * The tensors of an exported model under its module's names. Exporters rename a transposed matrix to
 * `onnx::MatMul_123`; its original name is then derived from the bias added to its product, or from the node of the
 * product.
 */
export function tensorsOf(graph: OnnxGraph): ReadonlyMap<string, OnnxTensor> {
  const names = new Names(graph);
  const tensors = graph.initializers.flatMap((data) => names.tensor(data) ?? []);
  return new Map([...tensors, ...names.positions()].map((tensor) => [tensor.name, tensor]));
}

/** ONNX Runtime's suffixes for a quantised tensor: its bytes, scale and zero point. */
const [BYTES, SCALE, ZERO] = ["_quantized", "_scale", "_zero_point"] as const;
/** ONNX Runtime's suffix for a matrix [outputs, inputs] stored as [inputs, outputs]. */
const TURNED = "_Transposed";

/** The maximum number of nodes to follow in a chain, because a malformed graph may have a cycle. */
const LONGEST = 8;

class Names {
  readonly #initializers: ReadonlyMap<string, Initializer>;
  /** The first node that reads a value. */
  readonly #readers = new Map<string, OnnxNode>();

  constructor(private readonly graph: OnnxGraph) {
    this.#initializers = new Map(graph.initializers.map((it) => [it.name, it]));
    for (const node of graph.nodes)
      for (const input of node.inputs) if (!this.#readers.has(input)) this.#readers.set(input, node);
  }

  /** Returns the tensor stored as this initializer; undefined for a scale, a zero point or an exporter's constant. */
  tensor(data: Initializer): OnnxTensor | undefined {
    const { name: own, shape } = data;
    if ([SCALE, ZERO].some((end) => own.endsWith(end) && this.#initializers.has(replaced(own, end, BYTES)))) return;
    const stored = this.#stored(data);
    const name = this.#nameOf(data);
    if (name === undefined) return;
    return tensorOf(name, stored.transposed ? [...shape].reverse() : shape, [stored]);
  }

  /**
   * DINOv2's position table, which exporters split in two: the first token's row, and the patches' rows, which are
   * resized to the image's grid.
   */
  positions(): OnnxTensor[] {
    return this.graph.nodes.flatMap(({ op, name, inputs: [first = "", rest = ""] }) => {
      const pieces = [this.#initializers.get(first), this.#initializers.get(this.#sourceOf(rest))];
      const [head, table] = pieces.map((it) => it?.shape ?? []) as [readonly number[], readonly number[]];
      const width = head.at(-1);
      if (op !== "Concat" || head.join() !== `1,1,${width}` || table.length !== 3 || table[2] !== width) return [];
      const stored = pieces.map((it) => this.#stored(it!));
      return tensorOf(`${moduleOf(name)}.position_embeddings`, [1, 1 + table[1]!, width!], stored);
    });
  }

  /** Follows a chain of nodes that reorder, convert or resize their first input; returns the value at its start. */
  #sourceOf(value: string): string {
    let source = value;
    for (let step = 0; step < LONGEST; step++) {
      const node = this.graph.nodes.find(({ outputs }) => outputs.includes(source));
      if (!node || !["Reshape", "Transpose", "Cast", "Resize"].includes(node.op)) break;
      source = node.inputs[0]!;
    }
    return source;
  }

  #stored(data: Initializer): OnnxArray {
    const reader = this.#readers.get(data.name);
    const transposed = data.shape.length === 2 && reader !== undefined && isTransposed(reader, data.name);
    const last = data.shape.length - 1;
    if (reader?.op === "DequantizeLinear") {
      const [, scale, zero] = reader.inputs.map((name) => this.#initializers.get(name));
      const next = this.#readers.get(reader.outputs[0]!);
      const axis = reader.integers.get("axis") ?? 1;
      return { data, scale, zero, axis, transposed: next !== undefined && isTransposed(next, reader.outputs[0]!) };
    }
    const beside = (end: string) => this.#initializers.get(replaced(data.name, BYTES, end));
    if (!data.name.endsWith(BYTES)) return { data, axis: last, transposed };
    return { data, scale: beside(SCALE), zero: beside(ZERO), axis: last, transposed };
  }

  /** A tensor's name in the exported module; undefined if it has none. */
  #nameOf({ name, shape }: Initializer): string | undefined {
    const own = replaced(replaced(name, BYTES, ""), TURNED, "");
    if (!own.startsWith("onnx::") && own.includes(".")) return own;
    const product = this.#readers.get(name);
    const reads = product?.op === "DequantizeLinear" ? this.#readers.get(product.outputs[0]!) : product;
    if (shape.length !== 2 || !reads || !["MatMul", "MatMulInteger", "Gemm"].includes(reads.op)) return;
    const module = this.#biasOf(reads)?.replace(/\.bias$/, "") ?? moduleOf(reads.name);
    return module && `${module}.weight`;
  }

  /** The name of the bias added to a product, after any conversion of bytes to floats. */
  #biasOf(product: OnnxNode): string | undefined {
    let node: OnnxNode | undefined = product;
    for (let step = 0; node && step < LONGEST; step++) {
      if (["Add", "Gemm"].includes(node.op))
        return node.inputs.find((name) => name.endsWith(".bias") && this.#initializers.has(name));
      const next: OnnxNode | undefined = this.#readers.get(node.outputs[0]!);
      node = next && ["Cast", "Mul", "Add"].includes(next.op) ? next : undefined;
    }
    return undefined;
  }
}

const replaced = (name: string, end: string, by: string): string =>
  name.endsWith(end) ? name.slice(0, -end.length) + by : name;

/** `/encoder/layer.0/output/dense/MatMul_1` → `encoder.layer.0.output.dense`. */
const moduleOf = (node: string): string | undefined => /^\/(.+)\/[^/]+$/.exec(node)?.[1]?.replaceAll("/", ".");

/** True if a node uses a matrix as [inputs, outputs]. */
const isTransposed = ({ op, inputs, integers }: OnnxNode, name: string): boolean =>
  inputs[1] === name && (["MatMul", "MatMulInteger"].includes(op) || (op === "Gemm" && integers.get("transB") !== 1));

function tensorOf(name: string, shape: readonly number[], pieces: readonly OnnxArray[]): OnnxTensor {
  const bytes = pieces.reduce((sum, { data: { data } }) => sum + ("bytes" in data ? data.bytes : data.length), 0);
  return { name, shape, type: pieces[0]!.data.type ?? "unknown", bytes, pieces };
}
