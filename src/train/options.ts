import { z } from "zod";
import { precisionPolicies } from "../graph/index.ts";
import { UserError } from "../util/errors.ts";
import { flagHelp } from "../util/named-options.ts";
import { quants } from "../weights/prepared/quant.ts";
import { heads } from "./heads/settings.ts";
import { scheduleOptions } from "./step/schedule.ts";

const count = z.int().min(1);

/** AdamW (Loshchilov & Hutter 2019) or SGD with momentum. */
export const optimizerOptions = z.strictObject({
  name: z.enum(["adamw", "sgd"]).default("adamw").describe("the optimiser"),
  lr: z.number().positive().default(1e-3).describe("peak learning rate"),
  beta1: z.number().min(0).max(1).default(0.9).describe("for adamw: decay of the mean gradient"),
  beta2: z.number().min(0).max(1).default(0.95).describe("for adamw: decay of the mean squared gradient"),
  eps: z.number().positive().default(1e-8).describe("for adamw: term added to the divisor"),
  weightDecay: z.number().min(0).default(0.1).describe("weight decay of matrices and tables, never vectors"),
  momentum: z.number().min(0).max(1).default(0.9).describe("sgd: momentum"),
});
export type OptimizerOptions = z.output<typeof optimizerOptions>;

/** The default LoRA targets, if a model has them. */
export const USUAL_TARGETS = "attn_q,attn_v";

export const loraOptions = z
  .strictObject({
    rank: count.default(8).describe("inner width of a LoRA layer"),
    alpha: z.number().positive().default(16).describe("a LoRA layer's output is multiplied by alpha / rank"),
    targets: z
      .string()
      .default(USUAL_TARGETS)
      .describe(
        "matrices that get LoRA layers: names separated by commas, or a regular expression for full names; attn_qkv if the model has no attn_q",
      ),
    lora_dropout: z.number().min(0).lt(1).default(0).describe("share of a LoRA layer's inputs to drop in training"),
    use_rslora: z.boolean().default(false).describe("rsLoRA: multiply by alpha / √rank instead"),
    loraplus_lr_ratio: z
      .number()
      .positive()
      .default(1)
      .describe("LoRA+: learning rate of the second factor, as a multiple of the first's"),
    modules_to_save: z
      .string()
      .optional()
      .describe("modules to train whole beside LoRA layers, separated by commas: lm_head, embed_tokens"),
    use_dora: z.boolean().default(false).describe("DoRA: also train the norm of each row of the updated matrices"),
  })
  .refine(({ use_dora, lora_dropout }) => !use_dora || lora_dropout === 0, {
    path: ["lora_dropout"],
    error: "expected 0 with use_dora",
  });
export type LoraOptions = z.output<typeof loraOptions>;

export const upcycleOptions = z
  .strictObject({
    experts: z.int().min(2).max(1024).describe("copies of each feed-forward"),
    active: z.int().min(1).default(2).describe("experts per token"),
    noise: z
      .number()
      .min(0)
      .default(0.01)
      .describe("noise in each copy, as a share of the matrix's standard deviation"),
  })
  .refine(({ experts, active }) => active <= experts, { path: ["active"], error: "exceeds the number of experts" });
export type UpcycleOptions = z.output<typeof upcycleOptions>;

const SHARE = "expected a share, 0 to 0.9, or files";
const FILES = "expected a file, or a list of files";

/** One or more data files. */
export const dataFiles = z.preprocess(
  (value) => (typeof value === "string" ? [value] : value),
  z.array(z.string(), FILES).min(1, FILES),
);

/** Parses a flag's text as a number if it is one. */
const numberIn = (value: unknown): unknown =>
  typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value;

/** The share of data to hold out, for models that do not support held-out files. @throws UserError for files */
export function shareOf({ validation }: Pick<TrainOptions, "validation">): number {
  if (typeof validation === "number") return validation;
  throw new UserError("validation: held-out files are not supported for this model; expected a share, 0 to 0.9", 2);
}

/**
 * A training method: `name:key=value` or, if values are lists or objects, an object of name and options. As a flag, it
 * is text.
 */
export const methodOption = z.union([z.string(), z.looseObject({ name: z.string() })]).meta({ type: "string" });

/** The value of `freeze` that lets the run choose what to freeze. */
export const AUTO = "auto";

/** The options of a training run, from which its YAML or JSON fields, flags and docs are generated. */
export const trainOptions = z.strictObject({
  method: methodOption
    .optional()
    .describe("a method:key=value,…")
    .register(flagHelp, { common: true, value: "method", group: "Method" }),
  save: z
    .string()
    .optional()
    .describe("a saving to train with, as for run --save: yopo:layers=4,radius=2")
    .register(flagHelp, { value: "saving" }),
  model: z
    .string()
    .optional()
    .describe("a model to train further")
    .register(flagHelp, { common: true, value: "model", group: "Model" }),
  architecture: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("train from random weights: fields of a Hugging Face config.json, with model_type"),
  tokenizer: z.string().default("characters").describe("for a new model: characters, bytes, words, or a MODEL's"),
  data: dataFiles
    .describe("texts, or tables of samples (.jsonl, .csv, .parquet …); =3 after a file sets its weight")
    .register(flagHelp, { common: true, value: "file", group: "Data" }),
  columns: z
    .record(z.string(), z.string())
    .optional()
    .describe("templates for a sample's fields from a table's columns, as in prompt=Question: {question}"),
  validation: z
    .preprocess((value) => numberIn(value), z.union([z.number().min(0).max(0.9), dataFiles], SHARE))
    .default(0.1)
    .meta({ type: "string" })
    .describe("share of the data to hold out, 0 to 0.9 (default: 0.1), or files")
    .register(flagHelp, { value: "file" }),
  head: z
    .enum(heads)
    .optional()
    .describe(
      "what to train: lm, or, for whole texts, classes or embedding (default: lm for a decoder; for an encoder, as the data require)",
    ),
  labels: z
    .enum(["answers", "all"])
    .default("answers")
    .describe("tokens that count in the loss: only completions and answers, or all"),
  start: z
    .string()
    .optional()
    .describe("the folder of a run or a LoRA adapter whose weights to start from")
    .register(flagHelp, { value: "folder", group: "Trained weights" }),
  upcycle: upcycleOptions.optional().describe("turn the model into a mixture of experts: experts, active, noise"),
  train: z.array(z.string()).default([]).describe("names of parameters to train, * for any part (default: all)"),
  freezeMask: z
    .string()
    .optional()
    .describe("a mask of tensors to freeze, from train guard or train mask")
    .register(flagHelp, { value: "file" }),
  freeze: z
    .preprocess(
      (value) => (typeof value === "string" && value !== AUTO ? [value] : value),
      z.union([z.literal(AUTO), z.array(z.string())], "expected auto, or names of parameters"),
    )
    .optional()
    .meta({ type: "string" })
    .describe(
      "parameters to freeze: names (* for any part), or auto: the lowest layers and tensors with small gradients",
    ),
  freezeShare: z.number().gt(0).lt(1).default(0.5).describe("with freeze auto: share of the tensors to freeze"),
  freezeSteps: count.default(4).describe("with freeze auto: steps of gradients to read before the first update"),
  lora: loraOptions.optional().describe("only LoRA layers: rank, alpha, targets").register(flagHelp, { common: true }),
  quant: z
    .enum(quants)
    .exclude(["q8r"])
    .default("auto")
    .describe("form of the frozen weights under LoRA; auto: f32 if it fits in a quarter of memory, else as for run"),
  tokens: count
    .default(256)
    .describe("tokens per row; longer encoder texts are cut")
    .register(flagHelp, { group: "Steps" }),
  excessLengthStrategy: z
    .enum(["drop", "truncate", "raise"])
    .default("drop")
    .describe(
      "for a sample with more tokens than a row: drop it, cut off its end, or stop with an error that names its line",
    ),
  batch: count.default(8).describe("rows per batch").register(flagHelp, { common: true }),
  accumulate: count.default(1).describe("batches per optimiser step"),
  recompute: z
    .union([z.boolean(), z.literal("auto")], "expected true, false or auto")
    .default(false)
    .describe("recompute layers in the backward pass: less memory, more time; auto: if memory is short"),
  neftuneNoiseAlpha: z.number().positive().optional().describe("NEFTune: scale of noise in embeddings, often 5"),
  precision: z
    .enum(precisionPolicies)
    .default("fp32")
    .describe("simulated by rounding, slower than fp32: amp rounds products, pure-bf16 all results and weights"),
  packing: z.boolean().default(false).describe("put several samples into a row"),
  steps: count
    .optional()
    .describe("optimiser steps (default: the number that the epochs take)")
    .register(flagHelp, { common: true }),
  epochs: z.number().positive().default(1).describe("passes over the data, if steps is not given"),
  optimizer: optimizerOptions.prefault({}).describe("name, lr, beta1, beta2, eps, weightDecay, momentum"),
  schedule: scheduleOptions.prefault({}).describe("name, warmup, minimum, decay, shape"),
  clip: z.number().min(0).default(1).describe("maximum norm of the gradient; 0 for none"),
  spikes: z
    .enum(["stop", "skip"])
    .default("stop")
    .describe("if the loss or the gradient is not finite: stop, or skip the step"),
  evaluateEvery: count
    .default(100)
    .describe("steps between evaluations on held-out data")
    .register(flagHelp, { group: "Evaluation" }),
  evaluateBatches: count.default(20).describe("batches per evaluation"),
  tasks: z
    .array(z.string())
    .default([])
    .describe("a lab task that every evaluation scores, named as for lab run")
    .register(flagHelp, { value: "task" })
    .register(flagHelp, { value: "task" }),
  taskLimit: count.default(100).describe("maximum items per task"),
  best: z
    .string()
    .default("loss")
    .describe("the measure for patience and sweeps: loss (held-out), or one of the tasks"),
  patience: count.optional().describe("end the run after this many evaluations without improvement (default: never)"),
  ema: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("evaluate and write the moving average of the weights, with this decay per step (default: none)"),
  keepBest: z.boolean().default(false).describe("write the weights of the best evaluation instead of the last step's"),
  saveEvery: count
    .default(200)
    .describe("maximum steps between checkpoints; one is also written every five minutes")
    .register(flagHelp, { group: "Checkpoints and seed" }),
  tensorboard: z.boolean().default(false).describe("write TensorBoard's event files into the run's folder"),
  seed: z.int().min(0).default(0).describe("seed for random weights and the data's order"),
});
export type TrainOptions = z.output<typeof trainOptions>;
/** A run's options as a caller writes them. */
export type TrainInput = z.input<typeof trainOptions>;
