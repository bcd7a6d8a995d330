import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { prepare } from "../../models/programs/programs.ts";
import { traceDense } from "../../models/programs/segments.ts";
import { Stack } from "../../models/programs/stack.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { withAdapter } from "../../weights/adapter/merge.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Batch } from "../data/batch.ts";

import { usualTargets } from "../graphs/lora-targets.ts";
import { loraOptions, trainOptions, USUAL_TARGETS } from "../options.ts";
import { TrainingRun } from "../session/run.ts";
import { frozenForm, loraSubject } from "./lora-subject.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lora-"));
afterAll(() => rmSync(folder, { recursive: true }));

const checkpoint = openCheckpoint(path.join(import.meta.dirname, "../../models/fixtures/llama-tiny.gguf"));
if (checkpoint.config.kind !== "gguf") throw new Error("the fixture is no GGUF");
const base = {
  ...{ name: "llama-tiny", checkpoint, prepared: path.join(folder, "prepared") },
  tokenizer: new Tokenizer(fromGguf(checkpoint.config.metadata)),
};
const tokens = 8;
const ids = Int32Array.from({ length: tokens }, (_, i) => (7 * i + 3) % 32);
const labels = Int32Array.from(ids, (_, i) => (i < 2 ? -1 : (5 * i + 1) % 32));
const batch: Batch = { rows: 1, tokens, ids, labels, labelled: 6, samples: 1 };
const data = {
  training: { rows: 1, tokens, batches: 1, samples: 1, dropped: { long: 0, unlabelled: 0 }, batch: () => batch },
  heldOut: undefined,
  hash: "",
};

/** The loss of a model run by the engine, in nats per label. */
async function natsOf(stack: Stack, { ids, labels } = batch): Promise<number> {
  const logits = await stack.run([...ids]);
  const size = logits.length / tokens;
  let nats = 0;
  for (const [row, label] of labels.entries()) {
    if (label < 0) continue;
    const values = logits.subarray(row * size, (row + 1) * size);
    const top = Math.max(...values);
    nats += top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0)) - values[label]!;
  }
  return nats / 6;
}

test("modules of a GGUF are not trained whole", async () => {
  const lora = loraOptions.parse({ modules_to_save: "lm_head" });
  await expect(loraSubject(lora, base, { quant: "f32", seed: 0 })).rejects.toThrow(
    "lora.modules_to_save: expected safetensors (see modicum export) and no new tokens",
  );
});

test.each([{ form: "LoRA" }, { form: "DoRA", use_dora: true }])(
  "$form learns beside a quantised model, and the engine computes the same with the written adapter",
  async ({ form, use_dora = false }) => {
    const lora = loraOptions.parse({ rank: 4, alpha: 8, targets: "attn_q,attn_k,attn_output,ffn_down", use_dora });
    const options = trainOptions.parse({
      data: "x",
      steps: 13,
      optimizer: { lr: 0.02 },
      schedule: { name: "constant" },
    });
    const subject = await loraSubject(lora, base, { quant: "q8", seed: 0 });
    expect(subject.trainee.weights.inBlocks("blk.0.attn_q.weight")).toBe(true);
    using run = await TrainingRun.open(options, subject, data);
    const losses: number[] = [];
    for (let step = 0; step < 12; step++) losses.push((await run.step()).loss);
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);
    await subject.write(path.join(folder, form));

    const plain = await openDecoder(checkpoint, base.prepared, "q8");
    using before = await Stack.compile(plain.decoder, plain.weights, "whole");
    expect(await natsOf(before)).toBeCloseTo(losses[0]!, 2);
    const adapted = await openDecoder(checkpoint, base.prepared, "q8", openLora(path.join(folder, form)));
    using after = await Stack.compile(adapted.decoder, adapted.weights, "whole");
    // The next step computes its loss with the weights as written.
    const { loss } = await run.step();
    expect(await natsOf(after)).toBeCloseTo(loss, 2);

    const other = (changed: Partial<typeof lora>) =>
      loraSubject({ ...lora, ...changed }, base, { quant: "q8", seed: 1 });
    const start = await other({ alpha: 4 });
    start.startFrom!(path.join(folder, form));
    using again = await TrainingRun.open(options, start, data);
    expect((await again.step()).loss).toBeCloseTo(loss, 4);
    using narrow = await other({ rank: 2 });
    expect(() => narrow.startFrom!(path.join(folder, form))).toThrow(/^start: .*has rank 4; expected lora.rank=4$/);
    using fewer = await other({ targets: "attn_q" });
    expect(() => fewer.startFrom!(path.join(folder, form))).toThrow(
      /^start: .*has LoRA layers for other matrices; set lora.targets=q_proj,k_proj,o_proj,down_proj$/,
    );
  },
);

test.each([
  { name: "deepseek_v2", targets: "q_proj,kv_b_proj,o_proj", gguf: true },
  { name: "deepseek_v3", targets: "q_b_proj,kv_a_proj_with_mqa,gate_proj", gguf: true },
  { name: "glm4_moe-air", targets: "q_proj,o_proj,down_proj", gguf: true },
  { name: "cohere2", targets: "q_proj,o_proj,gate_proj,down_proj" },
  { name: "falcon_h1-norm", targets: "q_proj,o_proj,in_proj,out_proj,gate_proj,down_proj" },
  { name: "exaone4", targets: "k_proj,v_proj,up_proj" },
  { name: "gemma4", targets: "q_proj,k_proj,o_proj,down_proj", gguf: true },
  { name: "gemma4-e2b", targets: "q_proj,per_layer_input_gate,per_layer_projection,up_proj", gguf: true },
  { name: "llama4", targets: "q_proj,v_proj,o_proj", gguf: true },
  { name: "mamba", targets: "in_proj,x_proj,out_proj" },
  { name: "mamba2", targets: "in_proj,out_proj" },
  { name: "nemotron_h-experts", targets: "v_proj,out_proj,up_proj" },
  { name: "nemotron_h", targets: "q_proj,in_proj,up_proj" },
  { name: "qwen3_next", targets: "q_proj,in_proj_qkvz,out_proj" },
  { name: "qwen3_5", targets: "q_proj,in_proj_qkv,in_proj_a,out_proj,down_proj" },
  { name: "gpt_oss-mxfp4", targets: "q_proj,v_proj,o_proj" },
  { name: "lfm2", targets: "q_proj,in_proj,w2" },
  { name: "granitemoehybrid", targets: "q_proj,in_proj,out_proj,output_linear" },
  { name: "granitemoehybrid", targets: "input_linear", gguf: true },
  { name: "granitemoehybrid-dense", targets: "v_proj,input_linear,output_linear", gguf: true },
])("$name's projections get LoRA layers by their Hugging Face names", async ({ name, targets, gguf = false }) => {
  const recurrent = openCheckpoint(path.join(import.meta.dirname, "../../models/fixtures", name));
  const prepared = path.join(folder, `${name}-${targets}`);
  const lora = loraOptions.parse({ rank: 4, alpha: 8, targets });
  const options = trainOptions.parse({ data: "x", steps: 9, optimizer: { lr: 0.02 }, schedule: { name: "constant" } });
  const subject = await loraSubject(lora, { ...base, checkpoint: recurrent, prepared }, { quant: "f32", seed: 0 });
  using run = await TrainingRun.open(options, subject, data);
  const plain = await openDecoder(recurrent, prepared, "f32");
  using before = await Stack.compile(plain.decoder, plain.weights, "whole");
  const unadapted = await natsOf(before);
  const losses: number[] = [];
  for (let step = 0; step < 8; step++) losses.push((await run.step()).loss);
  expect(losses[0]).toBeCloseTo(unadapted, 4);
  expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);
  const [adapter, merged] = [`${prepared}-adapter`, `${prepared}-merged`];
  await subject.write(adapter);
  const written = openLora(adapter);
  const modules = [...written.updates.keys()].map((module) => module.split(".").at(-1)!);
  expect(new Set(modules)).toEqual(new Set(targets.split(",")));
  const apart = await openDecoder(recurrent, prepared, "f32", written);
  using after = await Stack.compile(apart.decoder, apart.weights, "whole");
  const adapted = await natsOf(after);
  expect(adapted).toBeCloseTo((await run.step()).loss, 4);
  if (gguf) {
    const file = path.join(import.meta.dirname, "../../models/fixtures", name, "model.gguf");
    const beside = await openDecoder(openCheckpoint(file), `${prepared}-gguf`, "f32", written);
    using same = await Stack.compile(beside.decoder, beside.weights, "whole");
    expect(await natsOf(same)).toBeCloseTo(adapted, 4);
  }
  const whole = await openDecoder(withAdapter(recurrent, written), merged, "f32");
  using one = await Stack.compile(whole.decoder, whole.weights, "whole");
  expect(await natsOf(one)).toBeCloseTo(adapted, 4);
});

test("a folder's adapter does not fit a GGUF with scaled weights", async () => {
  const fixture = path.join(import.meta.dirname, "../../models/fixtures/falcon_h1");
  const lora = loraOptions.parse({ rank: 4, alpha: 8, targets: "q_proj" });
  const prepared = path.join(folder, "falcon_h1");
  const subject = await loraSubject(
    lora,
    { ...base, checkpoint: openCheckpoint(fixture), prepared },
    { quant: "f32", seed: 0 },
  );
  const adapter = path.join(folder, "falcon_h1-adapter");
  await subject.write(adapter);
  const gguf = openCheckpoint(path.join(fixture, "model.gguf"));
  const { decoder, weights } = await openDecoder(gguf, `${prepared}-gguf`, "f32", openLora(adapter));
  expect(() => prepare(weights, () => traceDense(decoder))).toThrow(/does not fit .*q_proj is not in the model/);
});

test.each(["cohere2", "ernie4_5", "llama-biased"])("%s: the folder's adapter fits the GGUF", async (name) => {
  const plain = openCheckpoint(path.join(import.meta.dirname, "../../models/fixtures", name));
  const prepared = path.join(folder, `${name}-rows`);
  const lora = loraOptions.parse({ rank: 4, alpha: 8, targets: "q_proj,k_proj" });
  const options = trainOptions.parse({ data: "x", steps: 9, optimizer: { lr: 0.1 }, schedule: { name: "constant" } });
  const subject = await loraSubject(lora, { ...base, checkpoint: plain, prepared }, { quant: "f32", seed: 0 });
  using run = await TrainingRun.open(options, subject, data);
  const { loss } = await run.step();
  for (let step = 0; step < 3; step++) await run.step();
  await subject.write(`${prepared}-adapter`);
  const nats = async (checkpoint: typeof plain, at: string) => {
    const { decoder, weights } = await openDecoder(checkpoint, at, "f32", openLora(`${prepared}-adapter`));
    using stack = await Stack.compile(decoder, weights, "whole");
    return await natsOf(stack);
  };
  const adapted = await nats(plain, prepared);
  expect(Math.abs(adapted - loss)).toBeGreaterThan(0.1);
  expect(await nats(openCheckpoint(path.join(plain.path, "model.gguf")), `${prepared}-gguf`)).toBeCloseTo(adapted, 4);
});

test("an adapter of Qwen3.5's mixers is refused beside a GGUF, which orders their values differently", async () => {
  const plain = openCheckpoint(path.join(import.meta.dirname, "../../models/fixtures/qwen3_5"));
  const prepared = path.join(folder, "qwen3_5-order");
  const lora = loraOptions.parse({ rank: 4, alpha: 8, targets: "in_proj_qkv" });
  const subject = await loraSubject(lora, { ...base, checkpoint: plain, prepared }, { quant: "f32", seed: 0 });
  await subject.write(`${prepared}-adapter`);
  const adapter = openLora(`${prepared}-adapter`);
  const gguf = openCheckpoint(path.join(plain.path, "model.gguf"));
  const opened = async () => {
    const { decoder, weights } = await openDecoder(gguf, `${prepared}-gguf`, "f32", adapter);
    using _ = await Stack.compile(decoder, weights, "whole");
    weights.checkAdapter();
  };
  await expect(opened).rejects.toThrow(/in_proj_qkv/);
});

test("frozen weights are float32 if they fit a quarter of the memory", () => {
  const weights = [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
  expect(frozenForm("auto", checkpoint, 16 * weights)).toBe("f32");
  expect(frozenForm("auto", checkpoint, 16 * weights - 1)).toBe("auto");
  expect(frozenForm("q8", checkpoint, 16 * weights)).toBe("q8");
});

test("the default targets fit a model with joint queries, keys and values; a model with both keeps attn_q and attn_v", () => {
  const targets = (...names: string[]) => usualTargets(USUAL_TARGETS, (name) => names.includes(name));
  expect(targets("blk.0.attn_qkv.weight")).toBe("attn_qkv");
  expect(targets("blk.0.attn_qkv.weight", "blk.3.attn_q.weight")).toBe("attn_q,attn_v");
  expect(targets("blk.0.ssm_in.weight")).toBe("attn_q,attn_v");
  expect(usualTargets("attn_q", () => true)).toBe("attn_q");
});

test("a target that names no matrix is refused", async () => {
  const lora = loraOptions.parse({ targets: "attn_q,atn_v" });
  await expect(() => loraSubject(lora, base, { quant: "q8", seed: 0 })).rejects.toThrow(
    /no matrix is named "atn_v"; did you mean "attn_v"\?/,
  );
});

test("rotated bytes are refused for frozen weights: they have no gradient", () => {
  const { issues } = trainOptions.safeParse({ data: "x", lora: {}, quant: "q8r" }).error!;
  expect(issues).toEqual([expect.objectContaining({ path: ["quant"], values: ["auto", "f32", "q8", "q4"] })]);
});

test("new tokens' rows are trained in float32 beside a quantised tied table, and the engine runs them", async () => {
  const [lora, ids] = [loraOptions.parse({ rank: 2, alpha: 4, targets: "attn_q" }), [5, 64, 65]];
  const options = trainOptions.parse({ data: "x", steps: 13, optimizer: { lr: 0.02 }, schedule: { name: "constant" } });
  const extended = { folder, ids, rows: 2 };
  const subject = await loraSubject(lora, { ...base, extended }, { quant: "q8", seed: 0 });
  const words = { ...batch, ids: batch.ids.with(1, 64).with(4, 5), labels: batch.labels.with(3, 65).with(5, 64) };
  const own = { ...data, training: { ...data.training, batch: () => words } };
  using run = await TrainingRun.open(options, subject, own);
  const losses: number[] = [];
  for (let step = 0; step < 12; step++) losses.push((await run.step()).loss);
  expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);
  await subject.write(path.join(folder, "wider"));

  const written = openLora(path.join(folder, "wider"));
  expect([...written.rows.keys()]).toEqual(["model.embed_tokens"]);
  expect(written.rows.get("model.embed_tokens")!.ids).toEqual(ids);
  const adapted = await openDecoder(checkpoint, path.join(folder, "prepared"), "q8", written);
  expect(adapted.decoder.config.vocabulary).toBe(66);
  using after = await Stack.compile(adapted.decoder, adapted.weights, "whole");
  expect(await natsOf(after, words)).toBeCloseTo((await run.step()).loss, 2);
});
