/** Parameter counts of published Mambas, from their configurations alone. */
import { expect, test } from "vitest";
import { mambaArchitecture } from "../../models/architectures/mamba.ts";
import { mamba2Architecture } from "../../models/architectures/mamba2.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { weightsOf } from "../step/passes.ts";
import { languageModelOf } from "./decoder-stack.ts";
import { TracedWeights } from "./traced-weights.ts";

function parameters(architecture: typeof mambaArchitecture, config: Readonly<Record<string, unknown>>): number {
  const source: ConfigSource = { kind: "huggingface", path: "config.json", config };
  const weights = new TracedWeights(source, () => false);
  const trainee = { ...languageModelOf(architecture.open(weights)), weights, trained: () => false };
  const volume = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
  const sizes = new Map(
    weightsOf(trainee).flatMap(({ sizes, inner }) =>
      Object.entries(sizes).map(([name, rows]) => [name, rows * volume(inner)] as const),
    ),
  );
  return [...sizes.values()].reduce((total, size) => total + size, 0);
}

test.each([
  {
    name: "mamba-130m-hf",
    architecture: mambaArchitecture,
    count: 129_135_360,
    config: {
      ...{ model_type: "mamba", hidden_size: 768, intermediate_size: 1536, state_size: 16, conv_kernel: 4 },
      ...{ time_step_rank: 48, num_hidden_layers: 24, vocab_size: 50280, layer_norm_epsilon: 1e-5 },
      // Original names that the conversion to Hugging Face's format retained.
      ...{ d_model: 768, n_layer: 24, ssm_cfg: {}, pad_vocab_size_multiple: 8 },
    },
  },
  {
    name: "mamba-130m of its authors",
    architecture: mambaArchitecture,
    count: 129_135_360,
    config: { d_model: 768, n_layer: 24, vocab_size: 50277, ssm_cfg: {}, pad_vocab_size_multiple: 8 },
  },
  {
    name: "mamba2-130m of its authors",
    architecture: mamba2Architecture,
    count: 128_989_632,
    config: {
      ...{ d_model: 768, n_layer: 24, vocab_size: 50277, ssm_cfg: { layer: "Mamba2" }, pad_vocab_size_multiple: 16 },
      ...{ attn_layer_idx: [], d_intermediate: 0, tie_embeddings: true },
    },
  },
])("$name has $count parameters", ({ architecture, count, config }) => {
  expect(parameters(architecture, config)).toBe(count);
});
