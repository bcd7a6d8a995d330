import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { runSession } from "../../session/session.ts";
import { Passes } from "../../step/passes.ts";
import { newSubject } from "../../subject/subject.ts";
import { completeOptions } from "../complete.ts";
import { moe } from "./moe.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-moe-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));

const noBase = () => Promise.reject(new Error("there is no base"));
const usual = { num_hidden_layers: 2, hidden_size: 32, num_key_value_heads: 1, max_position_embeddings: 16 };
const jetmoe = {
  ...{ model_type: "jetmoe", ...usual, num_attention_heads: 2, kv_channels: 16, intermediate_size: 24 },
  ...{ num_local_experts: 4, num_experts_per_tok: 2, rms_norm_eps: 1e-5 },
};

async function train(out: string, method: string | undefined, architecture: object = jetmoe, steps = 4) {
  const run = { data: text, tokens: 16, batch: 2, steps, evaluateEvery: 99, optimizer: { lr: 1e-2 } };
  const options = completeOptions({ ...run, method, architecture });
  await runSession({ options, out: path.join(folder, out), reuse: "refuse" }, noBase, {});
  return openCheckpoint(path.join(folder, out));
}

type RunResult = Awaited<ReturnType<typeof train>>;
const ROUTER = "model.layers.1.mlp.router.layer.weight";
const valuesOf = (model: RunResult, name: string) => model.floats(model.tensors.get(name)!);

test("a model's experts train, and are written as stacks; router losses reach every router", async () => {
  const [plain, none, strong] = [
    await train("plain", undefined),
    await train("none", "moe:balance=0,z=0"),
    await train("strong", "moe:balance=0,z=10"),
  ];
  expect(plain.tensors.get("model.layers.0.mlp.input_linear.weight")!.shape).toEqual([4, 48, 32]);
  expect(plain.tensors.get("model.layers.0.self_attention.experts.output_linear.weight")!.shape).toEqual([4, 32, 16]);
  for (const name of plain.tensors.keys()) expect(valuesOf(none, name)).toEqual(valuesOf(plain, name));
  for (const part of ["mlp", "self_attention.experts"]) {
    const name = ROUTER.replace("mlp", part);
    expect(valuesOf(strong, name)).not.toEqual(valuesOf(plain, name));
  }
});

/** The gradients of one step with two batches, with routing balanced over the step or per batch. */
async function gradientsOf(over: "step" | "batch", texts: readonly [number, number], { steps = 1, scale = 1 } = {}) {
  const options = completeOptions({
    ...{ data: text, tokens: 8, batch: 1, accumulate: 2, method: `moe:balance=1,over=${over}`, architecture: jetmoe },
  });
  using subject = await newSubject(options, 20);
  const routerLoss = moe.routerLoss!(moe.options.parse({ balance: 1, over }), subject.trainee, options);
  const trainee = { ...subject.trainee, ...(routerLoss && { routerLoss }) };
  using passes = await Passes.create(trainee, subject.store, { rows: 1, tokens: 8, packed: false }, false);
  for (let step = 0; step < steps; step++) {
    subject.store.zeroGradients();
    for (const [before, seed] of texts.entries()) {
      const ids = Int32Array.from({ length: 8 }, (_, i) => (seed + 3 * i * seed) % 20);
      const batch = { rows: 1, tokens: 8, ids, labels: ids, labelled: 8, samples: 1 };
      await passes.train(batch, scale / 16, { before, scale });
    }
  }
  return new Float32Array(subject.store.gradients.memory).slice();
}

test("choices are balanced over a step's batches: equal batches act as one, and each step starts afresh", async () => {
  const farthest = (a: Float32Array, b: Float32Array) =>
    a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
  const step = await gradientsOf("step", [1, 7]);
  expect(farthest(step, await gradientsOf("batch", [1, 7]))).toBeGreaterThan(1e-4);
  expect(farthest(await gradientsOf("step", [7, 7]), await gradientsOf("batch", [7, 7]))).toBeLessThan(1e-6);
  expect(farthest(step, await gradientsOf("step", [1, 7], { steps: 2 }))).toBe(0);
  // The router loss is scaled like the tokens' loss, by a power of 2.
  const scaled = await gradientsOf("step", [1, 7], { scale: 4 });
  expect(
    farthest(
      step.map((value) => 4 * value),
      scaled,
    ),
  ).toBeLessThan(1e-5);
});

test("a model without experts is refused", async () => {
  const llama = { model_type: "llama", ...usual, num_attention_heads: 2, intermediate_size: 24, rms_norm_eps: 1e-5 };
  await expect(train("llama", "moe", llama)).rejects.toThrow(
    "moe: expected a model with experts, such as jetmoe or mixtral",
  );
});
