import { copyFile } from "node:fs/promises";
import path from "node:path";
import { decoderArchitecture } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { openLora, refuseDora } from "../../weights/adapter/lora.ts";
import { writeRecord } from "../../weights/adapter/record.ts";
import type { Checkpoint, StoredTensor } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import { jsonObject, readJson } from "../../weights/json-file.ts";
import { writeModel } from "./model.ts";

/** Two models with the same tensors. */
export interface Pair {
  readonly base: Checkpoint;
  readonly tuned: Checkpoint;
}

/**
 * Writes a model interpolated linearly between two models (`weight` 0: the first, 1: the second), as a Hugging Face
 * folder in float32. Interpolating a model with its fine-tuned form is WiSE-FT (arXiv 2109.01903).
 * @throws UserError if the tensors differ, or a model is a GGUF
 */
export async function interpolateModels({ base, tuned }: Pair, weight: number, out: string): Promise<void> {
  const [{ config }, other] = [base, tuned.config];
  const gguf = [base, tuned].find((checkpoint) => checkpoint.config.kind === "gguf");
  if (config.kind === "gguf" || other.kind === "gguf")
    throw new UserError(`${gguf!.path}: cannot interpolate the weights of a GGUF; expected safetensors, or an adapter`);
  const between = (tensor: StoredTensor) => mixed(base.floats(tensor), tuned.floats(sameIn(tuned, tensor)), weight);
  for (const tensor of base.tensors.values()) sameIn(tuned, tensor);
  for (const { name } of tuned.tensors.values())
    if (!base.tensors.has(name)) throw new UserError(`${base.path}: expected a tensor ${name} as in ${tuned.path}`);
  const names = (await decoderArchitecture(base)).tensors(base);
  await writeModel(out, { config: config.config, names, tensors: new Map(), base: { ...base, floats: between } });
}

/** @throws UserError if a checkpoint has no tensor of this name and shape */
function sameIn({ path, tensors }: Checkpoint, { name, shape }: StoredTensor): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor?.shape.join() === shape.join()) return tensor;
  const got = tensor ? `[${tensor.shape.join(", ")}]` : "nothing";
  throw new UserError(`${path}: expected a tensor ${name} of shape [${shape.join(", ")}], got ${got}`);
}

function mixed(base: Float32Array, tuned: Float32Array, weight: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(base, (value, i) => (1 - weight) * value + weight * tuned[i]!);
}

/**
 * Writes a LoRA adapter whose update is an existing adapter's times a factor: the same matrices with alpha scaled.
 * @throws UserError if the folder holds no plain LoRA adapter
 */
export async function interpolateAdapter(adapter: string, weight: number, out: string): Promise<void> {
  const lora = openLora(adapter);
  refuseDora(lora, "it cannot be interpolated");
  const { files, record } = lora;
  const [config, weights] = files as [string, string];
  const settings = readJson(config, jsonObject, "a PEFT adapter's settings");
  try {
    makeFolders(out);
    await copyFile(weights, path.join(out, path.basename(weights)));
  } catch (error) {
    throw writeError(error, out);
  }
  await writeRecord(out, record);
  await writeJson(path.join(out, path.basename(config)), { ...settings, ...scaled(settings, weight) });
}

/** An adapter's alphas, each multiplied by `weight`. */
function scaled({ lora_alpha, alpha_pattern }: JsonObject, weight: number): object {
  const own = Object.entries((alpha_pattern ?? {}) as Readonly<Record<string, number>>);
  const alphas = Object.fromEntries(own.map(([pattern, alpha]) => [pattern, alpha * weight]));
  return { lora_alpha: (lora_alpha as number) * weight, ...(own.length > 0 && { alpha_pattern: alphas }) };
}
