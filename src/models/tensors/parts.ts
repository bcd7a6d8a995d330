import {
  type Graph,
  gather,
  linear,
  matmulTransposed,
  plus,
  quantizedEmbedding,
  reshape,
  split,
  spread,
  type Tensor,
  withoutGradient,
} from "../../graph/index.ts";
import { addUpdate, project, rescales } from "../../nn/linear.ts";
import type { Norm } from "../../nn/norm.ts";
import { lookUpBeside, scoreBeside, tokensWith } from "../../nn/token-rows.ts";
import { UserError } from "../../util/errors.ts";
import { fnv1a } from "../../util/hash.ts";
import type { Matrix, Sizes, WeightSource } from "../../weights/weight-source.ts";
import { expertName } from "./names.ts";

/** A range of consecutive outputs or inputs, of which only the first `kept` are used. */
interface Piece {
  readonly size: number;
  readonly kept: number;
}

/** A model's weights used in one graph, by canonical name without `.weight` and `.bias`. */
export class Parts {
  constructor(
    private readonly weights: WeightSource,
    private readonly graph: Graph,
  ) {}

  /** True if the weights have a tensor with this full name. */
  has(name: string): boolean {
    return this.weights.has(name);
  }

  /** A norm of this kind; `shifted`: true if a layer norm has a bias. */
  norm(name: string, width: number, { norm, epsilon }: { norm: Norm["kind"]; epsilon: number }, shifted = true): Norm {
    const vector = (of: "weight" | "bias") => this.weights.vector(this.graph, { [`${name}.${of}`]: width });
    const shift = norm === "layer" && shifted ? vector("bias") : undefined;
    return { kind: norm, epsilon, gain: vector("weight"), shift };
  }

  /** Multiplies x by all matrices in `outputs` (sizes by name) at once; adds biases that are stored or required. */
  project(x: Tensor, outputs: Sizes, biased: (name: string) => boolean = () => false): Tensor {
    const named = (kind: string) =>
      Object.fromEntries(Object.entries(outputs).map(([name, n]) => [`${name}.${kind}`, n]));
    const has = Object.keys(outputs).some((name) => biased(name) || this.weights.has(`${name}.bias`));
    const bias = has ? this.weights.vector(this.graph, named("bias")) : undefined;
    const width = Number(x.shape.at(-1));
    return this.#projected(x, this.weights.matrix(this.graph, width, named("weight")), outputs, bias);
  }

  /**
   * Splits one projection's outputs into parts of these sizes, each a separate product, so that an unused part is not
   * computed. With an adapter or biases, it is a single product.
   */
  projectApart(x: Tensor, name: string, sizes: readonly number[]): Tensor[] {
    const [axis, width] = [x.shape.length - 1, Number(x.shape.at(-1))];
    const outputs = sizes.reduce((total, size) => total + size, 0);
    const whole = this.weights.has(`${name}.bias`) || this.weights.update(this.graph, width, { [name]: outputs });
    if (whole || !this.weights.someRows) return split(this.project(x, { [name]: outputs }), axis, [...sizes]);
    let from = 0;
    return sizes.map((size) => {
      const ids = Array.from({ length: size }, (_, i) => from + i);
      from += size;
      return project(x, this.weights.someRows!(this.graph, `${name}.weight`, [outputs, width], ids));
    });
  }

  /**
   * Multiplies x by adjacent matrices in float32; only the first `kept` outputs or inputs of each are used.
   * @throws UserError for weights with an adapter or with biases
   */
  projectPart(x: Tensor, outputs: Sizes, side: "inputs" | "outputs", pieces: readonly Piece[]): Tensor {
    const inputs = side === "inputs" ? pieces[0]!.size : Number(x.shape.at(-1));
    const names = Object.keys(outputs);
    this.requirePart(inputs, outputs);
    const rows = Object.entries(outputs).flatMap(([name, n]) => rowsIn(this.weights.values(`${name}.weight`)!, n));
    const columns =
      side === "outputs" ? keptOf(rows, pieces) : rows.map((row) => Float32Array.from(keptOf([...row], pieces)));
    const values = transposed(columns);
    const shape = [columns[0]!.length, columns.length];
    const bytes = new Uint8Array(values.buffer);
    const name = `${names.join("+")}.first.${pieces[0]!.kept}`;
    return linear(x, this.graph.constant(name, { dtype: "f32", shape }, { kind: "memory", bytes }));
  }

  /** @throws UserError for weights with an adapter or with biases */
  requirePart(inputs: number, outputs: Sizes): void {
    const biased = Object.keys(outputs).some((name) => this.weights.has(`${name}.bias`));
    if (biased || this.weights.update(this.graph, inputs, outputs))
      throw new UserError("running a part of a feed-forward needs weights without an adapter and without biases", 2);
  }

  /**
   * Rows of `size` numbers, one row per element of `which` i64 [...]: all ones for a 0; `kept` ones, then zeros, for a
   * 1.
   */
  firstOf(size: number, count: number, which: Tensor): Tensor {
    const values = Float32Array.from({ length: 2 * size }, (_, i) => Number(i < size + count));
    const data = { kind: "memory", bytes: new Uint8Array(values.buffer) } as const;
    const rows = this.graph.constant(`first ${count} of ${size}`, { dtype: "f32", shape: [2, size] }, data);
    return gather(rows, which, 0);
  }

  /** One matrix per expert: its stacked parts, whose names (`blk.0.ffn_gate_exps`) and sizes are in `outputs`. */
  experts(inputs: number, outputs: Sizes, experts: number): Matrix[] {
    return Array.from({ length: experts }, (_, expert) => {
      const named = Object.entries(outputs).map(([part, n]) => [`${expertName(part, expert, experts)}.weight`, n]);
      return this.weights.matrix(this.graph, inputs, Object.fromEntries(named));
    });
  }

  /**
   * A router's logits of x [..., width]: [..., experts]. Its few weights stay in float32, so that its choices do not
   * change. @throws UserError if a weight is NaN
   */
  router(name: string, x: Tensor, experts: number): Tensor {
    if (this.weights.values(`${name}.weight`)?.some(Number.isNaN))
      throw new UserError(`${this.weights.config.path}: the router ${name} has NaN in its weights`);
    return matmulTransposed(x, this.weights.table(this.graph, `${name}.weight`, [experts, Number(x.shape.at(-1))]));
  }

  /** A vector of the weights, which is added to x: [width]. */
  bias(name: string, x: Tensor): Tensor {
    return plus(x, this.vector(`${name}.bias`, Number(x.shape.at(-1))));
  }

  /** A gain of ones, for a norm without a stored gain: [width]. */
  ones(width: number): Tensor {
    return this.weights.computed(this.graph, `ones.${width}`, [width], () => new Float32Array(width).fill(1));
  }

  /** A stored number by its full name, not trained, repeated as a vector: [width]. */
  factor(name: string, width: number): Tensor {
    return spread(reshape(withoutGradient(this.vector(name, 1)), []), 0, width);
  }

  /** A vector by its full name: [width]. */
  vector(name: string, width: number): Tensor {
    return this.weights.vector(this.graph, { [name]: width });
  }

  /** Vocabulary logits from the head, or from the token table if there is no head, including the tokens that an adapter adds. */
  head(x: Tensor, vocabulary: number): Tensor {
    const part = this.#headPart;
    const width = Number(x.shape.at(-1));
    const matrix = this.weights.matrix(this.graph, width, { [`${part}.weight`]: vocabulary });
    const logits = this.#projected(x, matrix, { output: vocabulary });
    const own = this.weights.tokenRows?.(this.graph, part, width);
    const scores = own ? scoreBeside(logits, x, own) : logits;
    if (scores.shape.at(-1) === tokensWith(vocabulary, this.weights.tokens)) return scores;
    throw new UserError(
      `${this.weights.config.path}: the head is separate from the token table, so the adapter's new tokens must be in both`,
    );
  }

  /** Like `head`, for some tokens only. */
  headOf(x: Tensor, vocabulary: number, ids: readonly number[]): Tensor {
    const part = this.#headPart;
    const width = Number(x.shape.at(-1));
    const adapted =
      this.weights.update(this.graph, width, { output: vocabulary }) ??
      this.weights.tokenRows?.(this.graph, part, width);
    if (!adapted && this.weights.someRows)
      return project(x, this.weights.someRows(this.graph, `${part}.weight`, [vocabulary, width], ids));
    return gather(this.head(x, vocabulary), idsIn(this.graph, ids), x.shape.length - 1);
  }

  /** The head, or the token table if the head is tied. */
  get #headPart(): "output" | "token_embd" {
    return this.weights.has("output.weight") ? "output" : "token_embd";
  }

  /** Multiplies x by stacked matrices, and applies the adapter's update. */
  #projected(x: Tensor, matrix: Matrix, outputs: Sizes, bias?: Tensor): Tensor {
    const update = this.weights.update(this.graph, Number(x.shape.at(-1)), outputs);
    if (!update) return project(x, matrix, bias);
    if (!bias || !rescales(update)) return addUpdate(project(x, matrix, bias), x, outputs, update);
    return plus(addUpdate(project(x, matrix), x, outputs, update), bias);
  }

  /** Rows of a table [rows, width] at indices i64, read from blocks if the table is stored in blocks. */
  rowsOf(name: string, indices: Tensor, rows: number, width: number): Tensor {
    const shape = [rows, width] as const;
    return this.weights.inBlocks(`${name}.weight`, shape)
      ? quantizedEmbedding(indices, this.weights.rowsInBlocks(this.graph, `${name}.weight`, shape))
      : this.rows(name, indices, rows, width);
  }

  /** Rows of a table [rows, width] at indices i64. */
  rows(name: string, indices: Tensor, rows: number, width: number): Tensor {
    return gather(this.table(`${name}.weight`, rows, width), indices, 0);
  }

  /** A table by its full name: [rows, width]. */
  table(name: string, rows: number, width: number): Tensor {
    return this.weights.table(this.graph, name, [rows, width]);
  }

  /** Looks up tokens' vectors: ids i64 [batch, tokens] → [batch, tokens, width], from blocks if stored in blocks. */
  tokens(ids: Tensor, vocabulary: number, width: number): Tensor {
    const look = (some: Tensor) => this.#vectors(some, vocabulary, width);
    const own = this.weights.tokenRows?.(this.graph, "token_embd", width);
    return own ? lookUpBeside(this.graph, ids, own, vocabulary, look) : look(ids);
  }

  #vectors(ids: Tensor, vocabulary: number, width: number): Tensor {
    const vectors = this.rowsOf("token_embd", ids, vocabulary, width);
    const update = this.weights.tableUpdate(this.graph, "token_embd", [vocabulary, width]);
    return update ? plus(vectors, linear(gather(update.down, ids, 0), update.up)) : vectors;
  }
}

/** Token ids as a constant, i64 [ids]. */
function idsIn(graph: Graph, ids: readonly number[]): Tensor {
  const bytes = new Uint8Array(BigInt64Array.from(ids, BigInt).buffer);
  return graph.constant(`ids.${fnv1a(ids)}`, { dtype: "i64", shape: [ids.length] }, { kind: "memory", bytes });
}

/** Selects the first `kept` elements of each piece. */
function keptOf<T>(all: readonly T[], pieces: readonly Piece[]): T[] {
  let at = 0;
  return pieces.flatMap(({ size, kept }) => {
    at += size;
    return all.slice(at - size, at - size + kept);
  });
}

const rowsIn = (values: Float32Array, rows: number): Float32Array[] =>
  Array.from({ length: rows }, (_, row) =>
    values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows),
  );

/** Transposes rows [rows, width] to [width, rows]. */
function transposed(rows: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const [width, count] = [rows[0]!.length, rows.length];
  const values = new Float32Array(width * count);
  for (const [r, row] of rows.entries()) for (let c = 0; c < width; c++) values[c * count + r] = row[c]!;
  return values;
}
