import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import { asStored } from "../../weights/prepared/stored.ts";
import { countParameters } from "../decoder/count-parameters.ts";
import { gptOss } from "./gpt-oss.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** The published configuration of openai/gpt-oss-20b, without the names of its tokens. */
const SMALL = {
  ...{ model_type: "gpt_oss", hidden_size: 2880, intermediate_size: 2880, num_hidden_layers: 24, vocab_size: 201088 },
  ...{ num_attention_heads: 64, num_key_value_heads: 8, head_dim: 64, num_local_experts: 32, num_experts_per_tok: 4 },
  ...{ max_position_embeddings: 131072, sliding_window: 128, attention_bias: true, tie_word_embeddings: false },
  rope_scaling: {
    ...{ rope_type: "yarn", factor: 32, beta_fast: 32, beta_slow: 1, truncate: false },
    original_max_position_embeddings: 4096,
  },
};

test("gpt-oss-20b's parameters follow from its configuration", () => {
  const source = { kind: "huggingface", path: "config.json", config: SMALL } as const;
  const count = countParameters(gptOss, source, (name) => name === "output.weight");
  expect(count.total / 1e9).toBeCloseTo(20.91, 2);
  expect(count.active / 1e9).toBeCloseTo(4.19, 2);
  // The published 3.6 billion active parameters exclude the token embeddings.
  expect(count.activeWithoutEmbedding / 1e9).toBeCloseTo(3.61, 2);
});

test("every layer looks back over a window but the second of two", () => {
  const config = gptOss.configure({ kind: "huggingface", path: "config.json", config: SMALL });
  expect([0, 1, 2, 3].map((layer) => config.window(layer))).toEqual([128, undefined, 128, undefined]);
});

/** Canonical names of one layer's tensors. */
function namesOf(layer: number, experts: number): string[] {
  const each = ["gate", "up", "down"].map((part) => `blk.${layer}.ffn_${part}_exps`);
  const weights = each.flatMap((part) => Array.from({ length: experts }, (_, e) => `${part}.${e}/${experts}.weight`));
  return [...weights, ...each.map((part) => `${part}.bias`), `blk.${layer}.attn_sinks.weight`];
}

test("gates and ups that alternate are written as they were read", () => {
  const checkpoint = openCheckpoint(fixture("gpt_oss"));
  const names = gptOss.tensors(checkpoint);
  const shapes = (name: string) => (name.includes("/") ? [32, 32] : name.endsWith("_exps.bias") ? [4, 32] : [4]);
  const all = namesOf(1, 4).map((name) => {
    const part = new Part(checkpoint, names, name, shapes(name));
    expect(part.problem, name).toBeUndefined();
    return [name, { shape: part.shape, values: () => part.floats() }] as const;
  });
  const written = asStored(names, new Map(all));
  expect([...written.keys()].sort()).toEqual([
    ...["down_proj", "down_proj_bias", "gate_up_proj", "gate_up_proj_bias"].map(
      (n) => `model.layers.1.mlp.experts.${n}`,
    ),
    "model.layers.1.self_attn.sinks",
  ]);
  for (const [name, tensor] of written) {
    const stored = checkpoint.tensors.get(name)!;
    expect(tensor.shape, name).toEqual(stored.shape);
    expect(tensor.values(), name).toEqual(checkpoint.floats(stored));
  }
  const withoutUps = new Map(all.filter(([name]) => !name.includes("ffn_up_exps.2/4")));
  expect(() => asStored(names, withoutUps)).toThrow("experts.gate_up_proj has 1 of its 2 interleaved parts");
});

test("stacks of other sizes are refused with both shapes", () => {
  const checkpoint = openCheckpoint(fixture("gpt_oss"));
  const problem = (name: string, shape: number[]) =>
    new Part(checkpoint, gptOss.tensors(checkpoint), name, shape).problem;
  expect(problem("blk.0.ffn_up_exps.1/4.weight", [48, 32])).toBe("has shape [4, 32, 64], expected [4, 32, 96]");
  expect(problem("blk.0.ffn_down_exps.1/8.weight", [32, 32])).toBe("has shape [4, 32, 32], expected [8, 32, 32]");
  expect(problem("blk.0.ffn_up_exps.bias", [4, 48])).toBe("has shape [4, 64], expected [4, 96]");
});
