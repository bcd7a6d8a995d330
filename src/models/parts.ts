import { type Graph, gather, quantizedEmbedding, type Tensor } from "../graph/index.ts";
import { project } from "../nn/linear.ts";
import type { Norm } from "../nn/norm.ts";
import type { Sizes, Weights } from "../weights/prepared/weights.ts";

/** A model's weights put to use in one graph, by their canonical names without `.weight` and `.bias`. */
export class Parts {
  constructor(
    private readonly weights: Weights,
    private readonly graph: Graph,
  ) {}

  /** Which norm, and whether a layer norm has a shift. */
  norm(name: string, width: number, { norm, epsilon }: { norm: Norm["kind"]; epsilon: number }, shifted = true): Norm {
    const vector = (of: "weight" | "bias") => this.weights.vector(this.graph, { [`${name}.${of}`]: width });
    const shift = norm === "layer" && shifted ? vector("bias") : undefined;
    return { kind: norm, epsilon, gain: vector("weight"), shift };
  }

  /** Projections of x by their outputs, as one, with their biases where they must have some or the checkpoint does. */
  project(x: Tensor, outputs: Sizes, biased: (name: string) => boolean = () => false): Tensor {
    const named = (kind: string) =>
      Object.fromEntries(Object.entries(outputs).map(([name, n]) => [`${name}.${kind}`, n]));
    const has = Object.keys(outputs).some((name) => biased(name) || this.weights.has(`${name}.bias`));
    const bias = has ? this.weights.vector(this.graph, named("bias")) : undefined;
    return project(x, this.weights.matrix(this.graph, Number(x.shape.at(-1)), named("weight")), bias);
  }

  /** Rows of a table [rows, width] by indices i64. */
  rows(name: string, indices: Tensor, rows: number, width: number): Tensor {
    return gather(this.weights.table(this.graph, `${name}.weight`, [rows, width]), indices, 0);
  }

  /** Vectors of tokens: ids i64 [batch, tokens] → [batch, tokens, width], from blocks where the table is held in them. */
  tokens(ids: Tensor, vocabulary: number, width: number): Tensor {
    const shape = [vocabulary, width] as const;
    if (!this.weights.inBlocks("token_embd.weight", shape)) return this.rows("token_embd", ids, vocabulary, width);
    return quantizedEmbedding(ids, this.weights.rowsInBlocks(this.graph, "token_embd.weight", shape));
  }
}
