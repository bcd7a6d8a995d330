import { type Graph, gather, linear, plus, quantizedEmbedding, type Tensor } from "../graph/index.ts";
import { type LowRank, project, projectLowRank } from "../nn/linear.ts";
import type { Norm } from "../nn/norm.ts";
import type { Branch } from "../weights/adapter/branches.ts";
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
    const width = Number(x.shape.at(-1));
    return this.#adapted(project(x, this.weights.matrix(this.graph, width, named("weight")), bias), x, outputs);
  }

  /** Logits of the vocabulary, by the head, or the table of tokens where the checkpoint has no other. */
  head(x: Tensor, vocabulary: number): Tensor {
    const name = this.weights.has("output.weight") ? "output.weight" : "token_embd.weight";
    const matrix = this.weights.matrix(this.graph, Number(x.shape.at(-1)), { [name]: vocabulary });
    return this.#adapted(project(x, matrix), x, { output: vocabulary });
  }

  /** A product of x with what an adapter, kept apart from the weights, adds to it. */
  #adapted(product: Tensor, x: Tensor, outputs: Sizes): Tensor {
    const branch = this.weights.branches?.matrix(Number(x.shape.at(-1)), outputs);
    if (!branch) return product;
    const factors = this.#factors(Object.keys(outputs).join("+"), branch, Number(product.shape.at(-1)));
    return plus(product, projectLowRank(x, factors));
  }

  #factors(name: string, { rank, down, up }: Branch, outputs: number): LowRank {
    const factor = (part: string, shape: number[], { buffer }: Float32Array<ArrayBuffer>) =>
      this.graph.constant(
        `${name}.adapter.${part}`,
        { dtype: "f32", shape },
        { kind: "memory", bytes: new Uint8Array(buffer) },
      );
    return { down: factor("down", [down.length / rank, rank], down), up: factor("up", [rank, outputs], up) };
  }

  /** Rows of a table [rows, width] by indices i64. */
  rows(name: string, indices: Tensor, rows: number, width: number): Tensor {
    return gather(this.weights.table(this.graph, `${name}.weight`, [rows, width]), indices, 0);
  }

  /** Vectors of tokens: ids i64 [batch, tokens] → [batch, tokens, width], from blocks where the table is held in them. */
  tokens(ids: Tensor, vocabulary: number, width: number): Tensor {
    const shape = [vocabulary, width] as const;
    const vectors = this.weights.inBlocks("token_embd.weight", shape)
      ? quantizedEmbedding(ids, this.weights.rowsInBlocks(this.graph, "token_embd.weight", shape))
      : this.rows("token_embd", ids, vocabulary, width);
    const branch = this.weights.branches?.table("token_embd", shape);
    if (!branch) return vectors;
    const { down, up } = this.#factors("token_embd.table", branch, width);
    return plus(vectors, linear(gather(down, ids, 0), up));
  }
}
