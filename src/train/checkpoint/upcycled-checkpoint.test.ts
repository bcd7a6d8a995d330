import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { load, train } from "../../index.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { upcycleOptions } from "../options.ts";
import { upcycledCheckpoint } from "./upcycled-checkpoint.ts";
import { isHuggingFace } from "./wider-checkpoint.ts";

const small = fileURLToPath(new URL("../../../packages/models/exits-small", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "modicum-upcycle-"));
afterAll(() => rmSync(folder, { recursive: true }));

function base() {
  const checkpoint = openCheckpoint(small);
  if (!isHuggingFace(checkpoint)) throw new Error("expected a Hugging Face folder");
  return checkpoint;
}

test("each copy is the dense matrix with noise of its own, whatever rows are read in whatever order", () => {
  const dense = base();
  const upcycled = upcycledCheckpoint(dense, upcycleOptions.parse({ experts: 3, noise: 0.1 }), 5);
  expect(upcycled.config).toMatchObject({
    config: { model_type: "mixtral", num_local_experts: 3, num_experts_per_tok: 2 },
  });
  const of = (name: string) => upcycled.floats(upcycled.tensors.get(`model.layers.0.${name}`)!);
  const whole = dense.floats(dense.tensors.get("model.layers.0.mlp.gate_proj.weight")!);
  const copies = [0, 1, 2].map((expert) => of(`block_sparse_moe.experts.${expert}.w1.weight`));
  for (const copy of copies) {
    const off = Math.sqrt(copy.reduce((sum, v, i) => sum + (v - whole[i]!) ** 2, 0) / whole.length);
    expect(off / Math.sqrt(whole.reduce((sum, v) => sum + v * v, 0) / whole.length)).toBeCloseTo(0.1, 2);
  }
  expect(copies[0]).not.toEqual(copies[1]);
  expect(of("block_sparse_moe.experts.1.w1.weight")).toEqual(copies[1]);
  const tensor = upcycled.tensors.get("model.layers.0.block_sparse_moe.experts.1.w1.weight")!;
  expect(upcycled.floats(tensor, [3, 5])).toEqual(copies[1]!.slice(3 * 160, 5 * 160));
  expect(upcycled.tensors.has("model.layers.0.mlp.gate_proj.weight")).toBe(false);
  expect(of("block_sparse_moe.gate.weight")).toHaveLength(3 * 160);
});

test("without noise, the written mixture answers as the dense model does", async () => {
  const out = join(folder, "run");
  const data = fileURLToPath(new URL("../../../README.md", import.meta.url));
  const upcycle = { experts: 4, active: 2, noise: 0 };
  const optimizer = { lr: 1e-9, weightDecay: 0 };
  const sizes = { tokens: 32, batch: 1, steps: 1, validation: 0 };
  await train({ model: small, data, upcycle, method: "moe", optimizer, ...sizes }, { out });
  using dense = await load(small, { quant: "f32" });
  using mixture = await load(out, { quant: "f32" });
  const terms = { raw: true, temperature: 0, maxTokens: 12 } as const;
  const [a, b] = [await dense.complete("capital of ", terms), await mixture.complete("capital of ", terms)];
  expect(b.text).toBe(a.text);
  expect(b.receipt.work!["experts"]).toMatchObject({ run: expect.any(Number) });
});

test("an architecture without such a mixture, LoRA, and more active experts than experts are refused", async () => {
  const gpt2 = { ...base(), architecture: "gpt2" };
  expect(() => upcycledCheckpoint(gpt2, upcycleOptions.parse({ experts: 2 }), 0)).toThrow("gpt2 cannot become");
  const biased = { ...base(), config: { ...base().config, config: { ...base().config.config, mlp_bias: true } } };
  expect(() => upcycledCheckpoint(biased, upcycleOptions.parse({ experts: 2 }), 0)).toThrow("experts have none");
  expect(() => upcycleOptions.parse({ experts: 2, active: 3 })).toThrow("exceeds the number of experts");
  const options = { model: small, data: "x.txt", upcycle: { experts: 2 }, lora: {} };
  await expect(train(options, { out: join(folder, "no") })).rejects.toThrow("upcycle trains all of an existing model");
});
