import { type Graph, reshape } from "../../graph/index.ts";
import { inParts, type MixerWeights, ratesOf } from "../../nn/mixer-weights.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "./parts.ts";

/** GGUF's names for a mixer's weights, keyed by the mixers' own names. */
const canonical: Readonly<Record<string, string>> = {
  in_proj: "ssm_in",
  conv1d: "ssm_conv1d",
  x_proj: "ssm_x",
  dt_proj: "ssm_dt",
  dt_bias: "ssm_dt.bias",
  D: "ssm_d",
  norm: "ssm_norm",
  out_proj: "ssm_out",
  hidden_proj: "ssm_hidden",
  delta_in: "ssm_in",
  delta_qkv: "attn_qkv",
  delta_gate: "attn_gate",
  delta_ba: "ssm_ba",
  delta_beta: "ssm_beta",
  delta_alpha: "ssm_alpha",
  short_in: "shortconv.in_proj",
  short_conv: "shortconv.conv",
  short_out: "shortconv.out_proj",
};

/**
 * The weights of one layer's mixer, by the mixers' own names: with a projection's parts as one product, and with
 * separate parts, so that an unused part is not computed.
 */
export function mixerParts(
  weights: WeightSource,
  graph: Graph,
  layer: number,
): { readonly together: MixerWeights; readonly apart: MixerWeights } {
  const parts = new Parts(weights, graph);
  const place = (name: string) => `blk.${layer}.${name}`;
  /** Reads a vector and reshapes it, so that weight decay in training does not apply to rates. */
  const values = (name: string, shape: readonly number[]) => {
    const size = shape.reduce((product, n) => product * n, 1);
    const vector = weights.vector(graph, { [place(name)]: size });
    return shape.length === 1 ? vector : reshape(vector, shape);
  };
  /** Reads a convolution's filters, [channels, 1, width]. */
  const filters = (name: string, shape: readonly number[]) =>
    reshape(weights.table(graph, place(name), [shape[0]!, shape[2]!]), shape);
  const named = (name: string) => {
    const [part, ...kind] = name.split(".");
    return [canonical[part!], ...kind].join(".");
  };
  const project: MixerWeights["project"] = (x, name, outputs, biased) =>
    parts.project(x, { [place(canonical[name]!)]: outputs }, () => biased ?? false);
  const together: MixerWeights = {
    project,
    projectParts: inParts(project),
    tensor(name, shape) {
      if (shape.length === 3) return filters(named(name), shape);
      const [rows, width] = shape;
      if (width === undefined || !name.endsWith(".weight")) return values(named(name), shape);
      return weights.table(graph, place(named(name)), [rows!, width]);
    },
    // A GGUF stores A itself.
    rates: (shape) => (weights.config.kind === "gguf" ? values("ssm_a", shape) : ratesOf(values("ssm_a_log", shape))),
  };
  const projectParts: MixerWeights["projectParts"] = (x, name, sizes) =>
    parts.projectApart(x, place(canonical[name]!), sizes);
  return { together, apart: { ...together, projectParts } };
}
