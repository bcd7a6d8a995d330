import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { few, UserError } from "../../util/errors.ts";
import { isObject, type JsonObject } from "../json.ts";
import { readJson } from "../json-file.ts";

/** The weight files of a model. */
export interface WeightFiles {
  /** The folder with `config.json`. */
  readonly folder: string;
  readonly files: readonly string[];
  /** The index, if any: its path, and the files that it names. */
  readonly index?: { readonly path: string; readonly files: ReadonlyMap<string, string> };
}

const WHOLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
/** The index's name in diffusers, whose folders also contain files of other precisions. */
const NETWORK = "diffusion_pytorch_model.safetensors";
const indexSchema = z.looseObject({ weight_map: z.custom<JsonObject>(isObject, "expected the file of each tensor") });

/**
 * Finds the weight files of a folder in Hugging Face's layout, or of a single safetensors file. @throws UserError if a
 * file is missing
 */
export function findWeights(model: string): WeightFiles {
  if (!statSync(model, { throwIfNoEntry: false })?.isDirectory())
    return { folder: path.dirname(model), files: [model] };
  const here = (name: string) => path.join(model, name);
  if (existsSync(here("adapter_config.json")) && !existsSync(here("config.json")))
    throw new UserError(
      `${model}: this is a LoRA adapter; pass its base model as the model, and this folder as --adapter`,
    );
  if (existsSync(here(WHOLE))) return { folder: model, files: [here(WHOLE)] };
  if (existsSync(here(INDEX))) return sharded(model, here(INDEX));
  if (existsSync(here(NETWORK))) return { folder: model, files: [here(NETWORK)] };
  const names = readdirSync(model).toSorted();
  const weights = names.filter((name) => name.endsWith(".safetensors"));
  if (weights.length === 1) return { folder: model, files: [here(weights[0]!)] };
  if (weights.length > 1) throw new UserError(`${model}: there is no ${INDEX} for ${few(weights)}`);
  throw nothing(model, names);
}

function nothing(folder: string, names: readonly string[]): UserError {
  const pickle = names.find(isPickle);
  if (pickle !== undefined) return pickleError(path.join(folder, pickle));
  const gguf = names.filter((name) => name.endsWith(".gguf"));
  if (gguf.length > 0) return new UserError(`${folder}: this folder holds GGUF files; name one of them: ${few(gguf)}`);
  return new NoWeights(`${folder}: there are no weights in this folder, expected ${WHOLE} or ${INDEX}`);
}

/** An error for a folder without weights in any format. */
export class NoWeights extends UserError {}

/** True for the name of a Python pickle, the format of PyTorch checkpoints. */
export const isPickle = (name: string): boolean =>
  /(^|[/\\])pytorch_model[^/\\]*\.bin$|\.(pt|pth|ckpt|pkl|pickle)$/i.test(name);

/** The error for a pickle, with a remedy. */
export const pickleError = (file: string): UserError =>
  new UserError(
    `${file}: this is a Python pickle, which may run any code and is never opened; ask for the model's safetensors, or write them with transformers: AutoModel.from_pretrained(DIR).save_pretrained(DIR)`,
  );

function sharded(folder: string, index: string): WeightFiles {
  const { weight_map: map } = readJson(index, indexSchema, "the file of each tensor");
  const names = new Set(Object.values(map).map((name) => shardName(index, name)));
  const missing = [...names].filter((name) => !existsSync(path.join(folder, name))).toSorted();
  if (missing.length > 0) throw new UserError(`${index}: ${few(missing)} of its ${names.size} files are missing`);
  const placed = Object.entries(map).map(([tensor, name]) => [tensor, path.join(folder, String(name))] as const);
  return {
    folder,
    files: [...names].toSorted().map((name) => path.join(folder, name)),
    index: { path: index, files: new Map(placed) },
  };
}

/** Checks the name of a file beside the index; rejects a path that leads elsewhere. */
function shardName(index: string, name: unknown): string {
  if (typeof name === "string" && /^[^/\\]+\.safetensors$/.test(name)) return name;
  throw new UserError(`${index}: ${JSON.stringify(name)} is not the name of a safetensors file in the same folder`);
}
