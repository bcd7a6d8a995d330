import { expect, test } from "vitest";
import { Graph } from "../../graph/index.ts";
import { trainOptions } from "../options.ts";
import { newSubject, type Subject } from "./subject.ts";

const open = (architecture: Record<string, unknown>) => newSubject(trainOptions.parse({ architecture, data: "x" }), 20);

const valuesOf = ({ store }: Subject, name: string) => [...store.valuesOf(store.parameter(name))];
const softplus = (v: number) => Math.log1p(Math.exp(v));
const within = (values: readonly number[], least: number, most: number) =>
  expect(values.filter((v) => !(v >= least - 1e-6 && v <= most + 1e-6))).toEqual([]);

const shared = { hidden_size: 32, num_hidden_layers: 4, state_size: 6 };

test("a new Mamba is initialised as in the reference implementation", async () => {
  using subject = await open({ ...shared, model_type: "mamba" });
  const rates = valuesOf(subject, "blk.1.ssm_a_log");
  expect(rates).toHaveLength(64 * 6);
  for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(Math.log((i % 6) + 1), 6);
  within(valuesOf(subject, "blk.1.ssm_dt.weight"), -(2 ** -0.5), 2 ** -0.5);
  within(valuesOf(subject, "blk.3.ssm_dt.bias").map(softplus), 1e-3, 1e-1);
  expect(new Set(valuesOf(subject, "blk.0.ssm_d"))).toEqual(new Set([1]));
  // The matrix that writes to the stream is divided by √layers.
  within(valuesOf(subject, "blk.0.ssm_out.weight"), -1 / 16, 1 / 16);
  expect(Math.max(...valuesOf(subject, "blk.0.ssm_out.weight"))).toBeGreaterThan(0.05);
});

test("a new Mamba-2 is initialised as in the reference implementation", async () => {
  using subject = await open({ ...shared, model_type: "mamba2", num_heads: 16, n_groups: 2 });
  within(valuesOf(subject, "blk.0.ssm_a_log").map(Math.exp), 1, 16);
  within(valuesOf(subject, "blk.0.ssm_dt.bias").map(softplus), 1e-3, 1e-1);
  within(valuesOf(subject, "blk.0.ssm_conv1d.weight"), -0.5, 0.5);
  expect(new Set(valuesOf(subject, "blk.2.ssm_norm.weight"))).toEqual(new Set([1]));
});

test("a new gated delta hybrid starts with rates and steps like Mamba-2's", async () => {
  const mixer = {
    linear_key_head_dim: 4,
    linear_value_head_dim: 4,
    linear_num_key_heads: 2,
    linear_num_value_heads: 4,
  };
  const experts = {
    num_experts: 2,
    num_experts_per_tok: 1,
    moe_intermediate_size: 8,
    shared_expert_intermediate_size: 8,
  };
  const heads = { num_attention_heads: 2, num_key_value_heads: 1, head_dim: 64, intermediate_size: 8 };
  const layers = { hidden_size: 32, num_hidden_layers: 2, full_attention_interval: 2, max_position_embeddings: 64 };
  using subject = await open({ model_type: "qwen3_next", ...layers, ...heads, ...experts, ...mixer });
  within(valuesOf(subject, "blk.0.ssm_a_log").map(Math.exp), 1, 16);
  within(valuesOf(subject, "blk.0.ssm_dt.bias").map(softplus), 1e-3, 1e-1);
  expect(subject.store.parameters.map(({ name }) => name)).toContain("blk.1.attn_q_norm.weight");
});

test("a new recurrent network starts like PyTorch's linear layers, and its recurrence decays as matrices do", async () => {
  using subject = await open({ ...shared, model_type: "rnn", intermediate_size: 16 });
  within(valuesOf(subject, "blk.0.ssm_hidden.weight"), -1 / 4, 1 / 4);
  within(valuesOf(subject, "blk.0.ssm_in.bias"), -1 / 4, 1 / 4);
  expect(subject.store.parameter("blk.0.ssm_hidden.weight").offset).toBeLessThan(subject.store.matrices.elements);
});

test.each(["mamba", "mamba2"])("no rate, skip or step of a %s decays", async (model_type) => {
  using subject = await open({ ...shared, model_type, num_heads: 4, n_groups: 1 });
  const { store } = subject;
  const decaying = store.parameters.filter(({ offset }) => offset < store.matrices.elements).map(({ name }) => name);
  expect(decaying).toContain("blk.0.ssm_in.weight");
  expect(decaying.filter((name) => /ssm_(a|d)|bias/.test(name) && !name.endsWith("dt.weight"))).toEqual([]);
});

test("rows of several documents are refused: a state would carry over", async () => {
  using subject = await open({ ...shared, model_type: "mamba2", num_heads: 4, n_groups: 1 });
  const { stack } = subject.trainee;
  const g = new Graph();
  const x = g.input("x", "f32", [1, 8, 32]);
  expect(() => stack.layer(g, 0, x, { rows: 1, tokens: 8, packed: true })).toThrow(/omit packing/);
  expect(stack.layer(g, 0, x, { rows: 1, tokens: 8, packed: false }).shape).toEqual(x.shape);
});
