/** Building blocks of the graphs that test operators. */
import { seededRandom } from "../util/random.ts";
import { type Bindings, type Shape, sym } from "./dim.ts";
import type { Graph } from "./graph.ts";
import { count } from "./ndarray.ts";
import type { DType, Tensor } from "./tensor.ts";

export interface Input {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** The input's shape in the graph, if it differs from `shape`. */
  readonly symbolic?: Shape;
  /** True for inputs that are never trained, such as the tables of rotary embeddings. */
  readonly fixed?: true;
}

export interface GradientCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Input>>;
  readonly bindings?: Bindings;
  trace(t: Readonly<Record<string, Tensor>>, graph: Graph): readonly Tensor[];
}

/** Roughly normal values, exact in float32. */
export function noise(seed: number, shape: readonly number[], symbolic?: Shape): Input {
  const random = seededRandom(seed);
  const data = Float64Array.from({ length: count(shape) }, () =>
    Math.fround(random() + random() + random() + random() - 2),
  );
  return { dtype: "f32", shape, data, ...(symbolic && { symbolic }) };
}

/** Like `noise`, but at least 0.5. */
export function positive(seed: number, shape: readonly number[]): Input {
  const x = noise(seed, shape);
  return { ...x, data: x.data.map((v) => Math.fround(0.5 + Math.abs(v))) };
}

export const whole = (dtype: "i32" | "i64", shape: readonly number[], ...data: number[]): Input => ({
  dtype,
  shape,
  data: Float64Array.from(data),
});

export const fixed = (input: Input): Input => ({ ...input, fixed: true });

export const [batch, tokens] = [sym("batch"), sym("tokens")];

/** A function of one tensor on one shape. */
export const unary = (name: string, f: (x: Tensor) => Tensor, x: Input = noise(1, [2, 3, 5])): GradientCase => ({
  name,
  inputs: { x },
  trace: (t) => [f(t["x"]!)],
});

/** Cases of a function of two tensors: the second shape is each suffix of the first shape in turn. */
export const binary = (name: string, f: (a: Tensor, b: Tensor) => Tensor): GradientCase[] =>
  [[2, 3, 5], [3, 5], [5], []].map((shape) => ({
    name: `${name}, b of [${shape}]`,
    inputs: { a: noise(1, [2, 3, 5]), b: positive(2, shape) },
    trace: (t) => [f(t["a"]!, t["b"]!)],
  }));
