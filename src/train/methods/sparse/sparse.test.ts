import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { textData } from "../../data/text.ts";
import { loraOptions, type TrainOptions, trainOptions } from "../../options.ts";
import type { BatchStage } from "../../session/batch-stage.ts";
import { readMetrics } from "../../session/metrics.ts";
import { TrainingRun } from "../../session/run.ts";
import { runSession } from "../../session/session.ts";
import { newSubject } from "../../subject/subject.ts";
import { sparseOptions } from "./options.ts";
import { prunableOf, weightsIn } from "./prunable.ts";
import { sparse } from "./sparse.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-sparse-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(30));

const VOCABULARY = 24;

const optionsWith = (method: string | undefined, changed: object = {}): TrainOptions =>
  trainOptions.parse({
    ...(method !== undefined && { method }),
    architecture: {
      ...{ model_type: "llama", hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 1, num_key_value_heads: 1 },
      ...{ intermediate_size: 24, max_position_embeddings: 16, rms_norm_eps: 1e-5, tie_word_embeddings: false },
    },
    ...{ data: text, tokens: 16, batch: 2, steps: 20, saveEvery: 5, evaluateEvery: 10, evaluateBatches: 2 },
    ...{ optimizer: { lr: 1e-2 }, ...changed },
  });

type Run = TrainingRun<BatchStage>;

async function opened(method: string, changed: object = {}): Promise<Run> {
  const options = optionsWith(method, changed);
  const ids = Int32Array.from({ length: 2000 }, (_, i) => (i * i + 3 * i) % VOCABULARY);
  const data = { training: textData(ids, { rows: 2, tokens: 16, seed: 0 }), heldOut: undefined, hash: "" };
  return TrainingRun.open(options, await newSubject(options, VOCABULARY), data);
}

/** The part of a flat buffer that is trained. */
const trained = ({ stage: { store } }: Run, memory: ArrayBuffer): Float32Array =>
  new Float32Array(memory, 0, store.trainedElements);
const maskOf = (run: Run): Uint8Array => new Uint8Array(run.stage.method!.states!["mask"]!.buffer);
/** The greatest magnitude among pruned weights. */
const pruned = (run: Run, memory: ArrayBuffer): number => {
  const mask = maskOf(run);
  return trained(run, memory).reduce((most, value, i) => (mask[i] === 0 ? Math.max(most, Math.abs(value)) : most), 0);
};

test.each(["adamw", "sgd"])("%s leaves pruned weights at 0 over 100 updates, with no gradient", async (name) => {
  const changed = { steps: 110, optimizer: { name, lr: 1e-2, weightDecay: 0.5, momentum: 0.9 } };
  using run = await opened("sparse:sparsity=0.5,start=6,end=8,every=1", changed);
  const { store } = run.stage.subject;
  for (let i = 0; i < 7; i++) await run.step();
  const first = maskOf(run).slice();
  const before = trained(run, store.values.memory).slice();
  for (let i = 0; i < 100; i++) {
    await run.step();
    expect(pruned(run, store.gradients.memory)).toBe(0);
  }
  for (const memory of [store.values.memory, ...Object.values(run.stage.optimizer.states).map((state) => state.memory)])
    expect(pruned(run, memory)).toBe(0);
  expect(maskOf(run).every((byte, i) => byte <= first[i]!)).toBe(true);
  const after = trained(run, store.values.memory);
  expect(after.some((value, i) => maskOf(run)[i] === 1 && value !== before[i])).toBe(true);
  const prunable = prunableOf(store);
  const remaining = weightsIn(prunable) - maskOf(run).reduce((sum, byte) => sum + 1 - byte, 0);
  expect(remaining).toBe(Math.floor(weightsIn(prunable) * 0.5));
});

test("clipping uses the norm of masked gradients", async () => {
  using run = await opened("sparse:sparsity=0.9,start=0,end=0");
  const { norm } = await run.step();
  const gradients = trained(run, run.stage.subject.store.gradients.memory);
  expect(norm).toBeCloseTo(Math.sqrt(gradients.reduce((sum, value) => sum + value * value, 0)), 6);
  expect(pruned(run, run.stage.subject.store.gradients.memory)).toBe(0);
});

test("linear layers and an untied head are pruned, tables and gains are not", async () => {
  using run = await opened("sparse");
  const names = prunableOf(run.stage.subject.store).map(({ name }) => name);
  expect(names).toHaveLength(2 * 7 + 1);
  expect(names).toContain("output.weight");
  expect(names.filter((name) => /embd|norm/.test(name))).toEqual([]);
  const some = prunableOf(run.stage.subject.store, "output.weight+blk.0.*").map(({ name }) => name);
  expect(some).toHaveLength(7);
  expect(() => prunableOf(run.stage.subject.store, "head.*")).toThrow('no prunable matrix is named "head.*"');
  expect(() => prunableOf(run.stage.subject.store, "*")).toThrow("at least one trained matrix");
  const options = optionsWith("sparse");
  const tied = await newSubject(
    { ...options, architecture: { ...options.architecture, tie_word_embeddings: true } },
    24,
  );
  using _ = tied;
  expect(prunableOf(tied.store).map(({ name }) => name)).not.toContain("output.weight");
});

test("the receipt's mean sums the retained weights over the steps", async () => {
  using run = await opened("sparse:sparsity=0.6,every=2");
  const prunable = weightsIn(prunableOf(run.stage.subject.store));
  let sum = 0;
  for (let i = 0; i < 20; i++) {
    await run.step();
    sum += prunable - maskOf(run).reduce((zeros, byte) => zeros + 1 - byte, 0);
  }
  const { work, flops } = run.receipt("m");
  expect(work!["parameters"]).toEqual({ dense: 20 * prunable, run: sum });
  expect(work!["prunable"]).toEqual({ dense: prunable, run: Math.floor(0.4 * prunable) });
  const { dense, run: remaining } = work!["weights"]!;
  expect(dense - remaining).toBe(prunable - Math.floor(0.4 * prunable));
  expect(flops.spent).toBe(flops.dense);
});

const noBase = () => Promise.reject(new Error("there is no base"));

interface RunResult {
  readonly weights: string;
  readonly metrics: readonly unknown[];
}

async function trainedIn(name: string, options: TrainOptions, stop?: number): Promise<RunResult> {
  const out = path.join(folder, name);
  const controller = new AbortController();
  const onStep = ({ step }: { step: number }) => step === stop && controller.abort();
  const session = { options, out, reuse: "refuse" as const };
  if (stop !== undefined) {
    await expect(runSession(session, noBase, { onStep }, controller.signal)).rejects.toThrow("abort");
    await runSession({ ...session, reuse: "resume" }, noBase, {});
  } else await runSession(session, noBase, {});
  const metrics = readMetrics(out).map(({ loss, norm, validation }) => [loss, norm, validation]);
  return { weights: readFileSync(path.join(out, "model.safetensors")).toString("hex"), metrics };
}

test("a sparsity of 0 is dense training to the last bit", async () => {
  const dense = await trainedIn("dense", optionsWith(undefined));
  expect(await trainedIn("zero", optionsWith("sparse:sparsity=0"))).toEqual(dense);
  const sparse = await trainedIn("sparse", optionsWith("sparse:sparsity=0.6"));
  expect(sparse.weights).not.toBe(dense.weights);
});

test("a run that is stopped during pruning resumes to the same weights", async () => {
  const options = optionsWith("sparse:sparsity=0.6,every=2,score=random,seed=4");
  const whole = await trainedIn("whole", options);
  expect(await trainedIn("halves", options, 9)).toEqual(whole);
});

test("random scores are drawn anew at each pruning, by their seed", async () => {
  const masks = await Promise.all(
    ["seed=1", "seed=1", "seed=2"].map(async (seed) => {
      using run = await opened(`sparse:sparsity=0.5,start=0,end=1,every=1,score=random,${seed}`);
      await run.step();
      const first = maskOf(run).slice();
      await run.step();
      return { first, second: maskOf(run).slice() };
    }),
  );
  expect(masks[0]).toEqual(masks[1]);
  expect(masks[0]!.first).not.toEqual(masks[2]!.first);
  expect(masks[0]!.second).not.toEqual(masks[0]!.first);
});

test("a run of LoRA layers is refused, and so is one that writes its best evaluation", async () => {
  using run = await opened("sparse:sparsity=0");
  const host = {
    options: optionsWith("sparse"),
    subject: run.stage.subject,
    store: run.stage.subject.store,
    optimizer: run.stage.optimizer,
    data: run.stage.data,
    steps: 20,
  };
  const openWith = (changed: Partial<TrainOptions>) => () =>
    sparse.open!(sparseOptions.parse({}), { ...host, options: { ...host.options, ...changed } });
  expect(openWith({ lora: loraOptions.parse({}) })).toThrow("prunes only a model's own weights");
  expect(openWith({ keepBest: true })).toThrow("keepBest could bring pruned weights back");
  expect(openWith({ ema: 0.9 })).toThrow("ema could bring pruned weights back");
});
