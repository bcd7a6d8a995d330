import type { Graph, QuantizedMatrix, Tensor } from "../graph/index.ts";
import type { ConfigSource } from "./checkpoint.ts";
import type { LowRank, LowRankUpdate, Matrix, Sizes, TableShape, WeightSource } from "./weight-source.ts";

/**
 * Weights in float32, with matrices as rows [outputs, inputs]. A subclass only defines how rows of several tensors
 * become one tensor.
 */
export abstract class FloatRows implements WeightSource {
  abstract readonly config: ConfigSource;

  abstract has(name: string): boolean;

  /** Stacks the rows of tensors, by name; each row has the shape `inner`. */
  protected abstract stacked(graph: Graph, rows: Sizes, inner: readonly number[]): Tensor;

  values(_name: string): Float32Array | undefined {
    return undefined;
  }

  matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    return { kind: "float32 rows", weight: this.stacked(graph, outputs, [inputs]) };
  }

  vector(graph: Graph, sizes: Sizes): Tensor {
    return this.stacked(graph, sizes, []);
  }

  table(graph: Graph, name: string, [rows, width]: TableShape): Tensor {
    return this.stacked(graph, { [name]: rows }, [width]);
  }

  inBlocks(): boolean {
    return false;
  }

  rowsInBlocks(): QuantizedMatrix {
    throw new Error("float32 rows have no block form");
  }

  computed(graph: Graph, name: string, shape: number[], make: () => Float32Array<ArrayBuffer>): Tensor {
    return graph.constant(name, { dtype: "f32", shape }, { kind: "memory", bytes: new Uint8Array(make().buffer) });
  }

  update(_graph: Graph, _inputs: number, _outputs: Sizes): LowRankUpdate | undefined {
    return undefined;
  }

  tableUpdate(_graph: Graph, _name: string, _shape: TableShape): LowRank | undefined {
    return undefined;
  }
}
