import { z } from "zod";
import { precisionPolicies } from "../graph/index.ts";
import { quants } from "../weights/prepared/quant.ts";
import { heads } from "./heads/settings.ts";
import { scheduleOptions } from "./step/schedule.ts";

const count = z.int().min(1);

/** AdamW (Loshchilov & Hutter 2019) or SGD with momentum. */
export const optimizerOptions = z.strictObject({
  name: z.enum(["adamw", "sgd"]).default("adamw").describe("the rule by which gradients change weights"),
  lr: z.number().positive().default(1e-3).describe("peak learning rate"),
  beta1: z.number().min(0).max(1).default(0.9).describe("of adamw: what is kept of the mean gradient"),
  beta2: z.number().min(0).max(1).default(0.95).describe("of adamw: what is kept of the mean square"),
  eps: z.number().positive().default(1e-8).describe("of adamw: added to the divisor"),
  weightDecay: z.number().min(0).default(0.1).describe("of matrices and tables; vectors never decay"),
  momentum: z.number().min(0).max(1).default(0.9).describe("of sgd"),
});
export type OptimizerOptions = z.output<typeof optimizerOptions>;

export const loraOptions = z.strictObject({
  rank: count.default(8).describe("inner size of a LoRA layer"),
  alpha: z.number().positive().default(16).describe("a LoRA layer's output is multiplied by alpha / rank"),
  targets: z.string().default("attn_q,attn_v").describe("matrices that get LoRA layers, with commas between"),
});
export type LoraOptions = z.output<typeof loraOptions>;

export const upcycleOptions = z
  .strictObject({
    experts: z.int().min(2).max(1024).describe("copies of each feed-forward"),
    active: z.int().min(1).default(2).describe("experts that serve a token"),
    noise: z.number().min(0).default(0.01).describe("noise in each copy, as a share of its matrix' standard deviation"),
  })
  .refine(({ experts, active }) => active <= experts, { path: ["active"], error: "expected at most the experts" });
export type UpcycleOptions = z.output<typeof upcycleOptions>;

const FILES = "expected a file, or a list of files";

/** A file of data, or several. */
export const dataFiles = z.preprocess(
  (given) => (typeof given === "string" ? [given] : given),
  z.array(z.string(), FILES).min(1, FILES),
);

/**
 * A training method, as `name:key=value`, or, where values are lists or objects, by name with its options beside it. A flag
 * has its text.
 */
export const methodOption = z.union([z.string(), z.looseObject({ name: z.string() })]).meta({ type: "string" });

/** A training run, whole: from it follow the fields of its YAML or JSON file, the flags and the docs. */
export const trainOptions = z.strictObject({
  method: methodOption
    .optional()
    .describe("a training method with its options: sparse:sparsity=0.6, or name: sparse with its options beside it"),
  save: z.string().optional().describe("a saving that is active in training, as run takes it: yopo:layers=4,radius=2"),
  model: z.string().optional().describe("a model to train further"),
  architecture: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("a model to train from random weights: fields of a Hugging Face config.json, model_type among them"),
  tokenizer: z
    .string()
    .default("characters")
    .describe("of a model from random weights: characters, bytes, words or a MODEL"),
  data: dataFiles.describe(
    "text files, or JSONL with text, prompt and completion, messages, text and label, query and positive, or image, prompt and answer",
  ),
  validation: z.number().min(0).max(0.9).default(0.1).describe("share of the data that is held out"),
  head: z
    .enum(heads)
    .optional()
    .describe(
      "lm, or over whole texts classes or embedding (default: lm of a decoder; of an encoder, that of the data)",
    ),
  labels: z.enum(["answers", "all"]).default("answers").describe("what samples teach: completions and answers, or all"),
  start: z
    .string()
    .optional()
    .describe("folder of another run, or of a LoRA adapter: this one starts from the weights that it ended with"),
  upcycle: upcycleOptions.optional().describe("train the model as a mixture of experts: experts, active, noise"),
  train: z.array(z.string()).default([]).describe("names of parameters that are trained, * for any part; default all"),
  freezeMask: z.string().optional().describe("a mask of tensors that stay as they are, by train guard or train mask"),
  lora: loraOptions.optional().describe("train LoRA layers alone: rank, alpha, targets"),
  quant: z
    .enum(quants)
    .exclude(["q8r"])
    .default("auto")
    .describe(
      "form of the frozen weights beside LoRA layers; auto: f32 where it takes a quarter of the memory at most, else as run has it",
    ),
  tokens: count.default(256).describe("tokens of a row; longer samples are dropped, an encoder's texts cut"),
  batch: count.default(8).describe("rows that run together"),
  accumulate: count.default(1).describe("batches whose gradients make one step"),
  recompute: z
    .boolean()
    .default(false)
    .describe("run layers once more in the backward pass in place of keeping their products: less memory, more time"),
  precision: z
    .enum(precisionPolicies)
    .default("fp32")
    .describe(
      "simulated by rounding, slower than fp32: amp rounds products, pure-bf16 also weights and every operator",
    ),
  packing: z.boolean().default(false).describe("put several samples into a row"),
  steps: count.optional().describe("optimiser steps (default: those of the epochs)"),
  epochs: z.number().positive().default(1).describe("passes over the data, if steps are not given"),
  optimizer: optimizerOptions.prefault({}).describe("name, lr, beta1, beta2, eps, weightDecay, momentum"),
  schedule: scheduleOptions.prefault({}).describe("name, warmup, minimum, decay, shape"),
  clip: z.number().min(0).default(1).describe("longest gradient, by its norm; 0 clips nothing"),
  spikes: z.enum(["stop", "skip"]).default("stop").describe("what is done if the loss or the gradient is not finite"),
  evaluateEvery: count.default(100).describe("steps between two evaluations on the held-out data"),
  evaluateBatches: count.default(20).describe("batches of an evaluation"),
  tasks: z
    .array(z.string())
    .default([])
    .describe("lab tasks that every evaluation scores, as lab run --task takes them"),
  taskLimit: count.default(100).describe("maximum items of each task"),
  best: z.string().default("loss").describe("the measure of patience and sweeps: loss (held-out), or one of tasks"),
  patience: count.optional().describe("evaluations without a better one that end the run (default: none do)"),
  keepBest: z.boolean().default(false).describe("write the weights of the best evaluation, not of the last step"),
  saveEvery: count.default(200).describe("most steps between two checkpoints; one is also written every five minutes"),
  seed: z.int().min(0).default(0).describe("of random weights and of the data's order"),
});
export type TrainOptions = z.output<typeof trainOptions>;
/** A run as a caller writes it. */
export type TrainInput = z.input<typeof trainOptions>;
