import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { decoderArchitecture } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders, requireEmpty } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { writeJson, writeWhole } from "../../util/write-whole.ts";
import { writeRecord } from "../../weights/adapter/record.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import type { Batch, TrainingData } from "../data/batch.ts";
import { recordOf } from "../data/open.ts";
import { noiseOf } from "../graphs/noise.ts";
import { methodName } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import { stepsOf } from "../session/batch-stage.ts";
import { openRun } from "../session/open-run.ts";
import { rateAt } from "../step/schedule.ts";
import type { Base, Subject } from "../subject/subject.ts";
import { script } from "./script.ts";

/** A run exported for another trainer. */
export interface ExportedRun {
  readonly out: string;
  /** The names of the files written to `out`. */
  readonly files: readonly string[];
  readonly rows: number;
  /** Messages about requirements, and about differences from training here. */
  readonly notices: readonly string[];
}

/**
 * Writes a run for transformers, PEFT and accelerate into a new or empty folder: a `train.py`, the tokenised rows in
 * order, the schedule and optimiser, and the initial weights of a new model or LoRA layers.
 * @throws UserError; the folder is then empty
 */
export async function exportTrl(
  options: TrainOptions,
  out: string,
  openBase: (model: string) => Promise<Base>,
): Promise<ExportedRun> {
  refuseBeyond(options);
  requireEmpty(out);
  try {
    return await written(options, out, openBase);
  } catch (error) {
    await rm(out, { recursive: true, force: true });
    throw writeError(error, out);
  }
}

/** @throws UserError for options that train.py cannot follow */
function refuseBeyond({ method, start, save, freeze }: TrainOptions): void {
  if (save !== undefined) throw new UserError(`save: ${save} cannot be exported; expected a run without a saving`);
  if (method !== undefined)
    throw new UserError(`method: ${methodName(method)} cannot be exported; expected a run without a method`);
  if (freeze !== undefined)
    throw new UserError(
      "freeze: a list of frozen parameters cannot be exported; use train to list the trained parameters instead",
    );
  if (start !== undefined)
    throw new UserError("start: an export cannot start from another run's weights; set model to that run's folder");
}

async function written(
  options: TrainOptions,
  out: string,
  openBase: (model: string) => Promise<Base>,
): Promise<ExportedRun> {
  const [model, adapter] = [path.join(out, "model"), path.join(out, "adapter")];
  const base = options.model === undefined ? undefined : await openBase(options.model);
  makeFolders(base ? out : model);
  const { subject, data } = await openRun(options, model, async (name) => base ?? (await openBase(name)));
  using _ = subject;
  if (data.head) throw new UserError(`head: ${data.head.kind} cannot be exported; expected a language model`);
  if (!base) await subject.write(model);
  else if (options.lora) {
    await subject.write(adapter);
    await writeRecord(adapter, recordOf(data));
  }
  const checkpoint = base?.checkpoint ?? openCheckpoint(model);
  const trained = options.train.length === 0 ? null : await trainedNames(checkpoint, subject);
  const place = base ? placeOf(base) : "model";
  await writeJson(path.join(out, "export.json"), {
    ...settingsOf(options, data.training),
    ...{ model: place ?? null, adapter: options.lora ? "adapter" : null, trained },
  });
  const rows = writeAllRows(path.join(out, "rows.jsonl"), options, data.training);
  await writeWhole(path.join(out, "train.py"), script);
  return { out, files: readdirSync(out).sort(), rows, notices: noticesOf(options, place) };
}

/** The trained tensors' names in the checkpoint. */
async function trainedNames(checkpoint: Checkpoint, { store }: Subject): Promise<string[]> {
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const entries = store.parameters.filter(({ trained }) => trained).map(({ name }) => names(name));
  return entries.map((stored) => (typeof stored === "string" ? stored : stored.name));
}

/** The base that transformers opens: a repository on the hub, or a folder; undefined for a GGUF file. */
function placeOf({ name, checkpoint: { config } }: Base): string | undefined {
  if (config.kind === "gguf") return undefined;
  return /^hf:([^@:]+)$/.exec(name)?.[1] ?? path.resolve(path.dirname(config.path));
}

function settingsOf(options: TrainOptions, training: TrainingData) {
  const { tokens, batch, accumulate, packing, optimizer, schedule, clip, saveEvery } = options;
  const recompute = options.recompute === true;
  const steps = stepsOf(options, training);
  const rates = Array.from({ length: steps }, (_, step) => rateAt(schedule, step, steps));
  const { loraplus_lr_ratio = 1 } = options.lora ?? {};
  const adaptation = { loraplus_lr_ratio, neftune_noise_alpha: options.neftuneNoiseAlpha ?? null };
  return { tokens, batch, accumulate, packing, recompute, optimizer, ...adaptation, clip, saveEvery, steps, rates };
}

function writeAllRows(file: string, options: TrainOptions, training: TrainingData): number {
  const batches = stepsOf(options, training) * options.accumulate;
  const open = openSync(file, "w");
  try {
    writeRows(open, training, batches);
  } finally {
    closeSync(open);
  }
  return batches * training.rows;
}

function noticesOf(options: TrainOptions, place: string | undefined): string[] {
  const { patience, keepBest } = options;
  const omitted = ["evaluations", ...(patience === undefined ? [] : ["patience"]), ...(keepBest ? ["keepBest"] : [])];
  const needed =
    "the base is a GGUF, which transformers cannot train: pass its Hugging Face version to train.py as --model";
  return [
    ...(place === undefined ? [`${needed}; unlike the GGUF's, its weights are not rounded, so the losses differ`] : []),
    ...(noiseOf(options)
      ? ["train.py draws different random numbers for dropout and noise, so the losses differ"]
      : []),
    `not exported: ${omitted.join(", ")}; train.py runs all steps`,
  ];
}

/** Formats a batch row as a line of `rows.jsonl`, cut after its last label, since later tokens affect no loss. */
function rowLine({ tokens, ids, labels, documents }: Batch, row: number): string {
  const from = row * tokens;
  const own = labels.subarray(from, from + tokens);
  const end = from + own.findLastIndex((label) => label >= 0) + 1;
  const line = {
    input_ids: [...ids.subarray(from, end)],
    // PyTorch's cross entropy ignores −100.
    labels: [...labels.subarray(from, end)].map((label) => (label < 0 ? -100 : label)),
    ...(documents && { documents: [...documents.subarray(from, end)] }),
  };
  return `${JSON.stringify(line)}\n`;
}

/** Writes the rows of the first `batches` batches, one per line, into an open file. */
function writeRows(file: number, data: TrainingData, batches: number): void {
  for (let index = 0; index < batches; index++) {
    const batch = data.batch(index);
    writeSync(file, Array.from({ length: batch.rows }, (_, row) => rowLine(batch, row)).join(""));
  }
}
