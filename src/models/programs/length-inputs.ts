import { type Dim, type DType, type Graph, type Shape, sym, type Tensor } from "../../graph/index.ts";
import type { Axes } from "../../nn/rope-axes.ts";

const batch = sym("batch");

/** A selection of the new tokens. */
interface NewTokens {
  /** The suffix of the inputs' names. */
  readonly at: number | "";
  readonly tokens: Dim;
}

/** The inputs for the cache's length and the new tokens' positions, created on first use. */
export class LengthInputs {
  readonly #inputs = new Map<string, Tensor>();
  constructor(
    private readonly graph: Graph,
    private readonly of: NewTokens = { at: "", tokens: sym("tokens") },
  ) {}

  /** i32 [batch]: the number of tokens in the cache after this run, minus one. */
  get lengths(): Tensor {
    return this.#input("lengths", "i32", [batch]);
  }

  get positions(): Tensor {
    return this.#input("positions", "i64", [batch, this.of.tokens]);
  }

  /** Positions for models whose tokens have a time, a height and a width. */
  get axes(): Axes<Tensor> {
    const of = (axis: string) => this.#input(`positions${axis}`, "i64", [batch, this.of.tokens]);
    return [this.positions, of("Height"), of("Width")];
  }

  /** The number of later tokens that each token of one row sees, i64 [tokens]. */
  get ahead(): Tensor {
    return this.#input("ahead", "i64", [this.of.tokens]);
  }

  /** The inputs for layers that see all keys. */
  get full() {
    return { lengths: this.lengths, total: this.#input("total", "i32", []), positions: this.positions };
  }

  /** The inputs for layers with a window, which are bound to part of the cache. */
  get window() {
    return {
      lengths: this.#input("windowLengths", "i32", [batch]),
      total: this.#input("windowTotal", "i32", []),
      positions: this.positions,
    };
  }

  #input(name: string, dtype: DType, shape: Shape): Tensor {
    const known = this.#inputs.get(name) ?? this.graph.input(`${name}${this.of.at}`, dtype, shape);
    this.#inputs.set(name, known);
    return known;
  }
}
