import type { Graph, Tensor } from "../../graph/index.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { FloatRows } from "../../weights/float-rows.ts";
import type { Sizes } from "../../weights/weight-source.ts";
import { traceDense } from "../programs/segments.ts";
import type { Architecture } from "./decoder.ts";

/** A model's parameters. */
export interface ParameterCount {
  readonly total: number;
  /** The number of parameters that a token's computation reads: in a mixture, only those of active experts. */
  readonly active: number;
  /** The number of active parameters outside the token tables. */
  readonly activeWithoutEmbedding: number;
}

/** Counts a decoder's parameters from its configuration; `has` tests for an optional tensor. */
export function countParameters(
  architecture: Pick<Architecture, "open">,
  config: ConfigSource,
  has: (name: string) => boolean,
): ParameterCount {
  const weights = new CountedWeights(config, has);
  const decoder = architecture.open(weights);
  traceDense(decoder);
  const { active, count } = decoder.config.experts ?? { active: 1, count: 1 };
  const sum = (of: (name: string) => number) =>
    [...weights.shapes].reduce((all, [name, shape]) => all + volume(shape) * of(name), 0);
  const share = (name: string) => (EXPERT.test(name) ? active / count : 1);
  const read = sum(share);
  const tables = ["token_embd.weight", "per_layer_token_embd.weight"];
  const embedding = tables.reduce((all, name) => all + volume(weights.shapes.get(name) ?? [0]), 0);
  return { total: sum(() => 1), active: read, activeWithoutEmbedding: read - embedding };
}

/** The canonical name of an expert's matrix, or of all experts' biases. */
const EXPERT = /_exps\.(\d+\/\d+\.weight|bias)$/;

const volume = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1);

/** A weight source that only records sizes. */
export class CountedWeights extends FloatRows {
  /** The shapes of parameters by canonical name, matrices as [outputs, inputs]. */
  readonly shapes = new Map<string, readonly number[]>();

  constructor(
    readonly config: ConfigSource,
    private readonly exists: (name: string) => boolean,
  ) {
    super();
  }

  has(name: string): boolean {
    return this.exists(name);
  }

  override computed(graph: Graph, name: string, shape: number[]): Tensor {
    return input(graph, name, shape);
  }

  protected stacked(graph: Graph, sizes: Sizes, inner: readonly number[]): Tensor {
    for (const [name, size] of Object.entries(sizes)) this.shapes.set(name, [size, ...inner]);
    const rows = Object.values(sizes).reduce((a, b) => a + b, 0);
    return input(graph, Object.keys(sizes).join("+"), [rows, ...inner]);
  }
}

const input = (graph: Graph, name: string, shape: readonly number[]): Tensor => graph.input(name, "f32", shape);
