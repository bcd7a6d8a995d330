import path from "node:path";
import { few, UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { JsonObject } from "../json.ts";
import { jsonObject, readJson } from "../json-file.ts";
import { MissingWeights } from "../model-fault.ts";
import { withFile } from "../read-file.ts";
import { findWeights, NoWeights, type WeightFiles } from "./folder.ts";
import { parseHeader, type SafeTensor } from "./header.ts";
import { readablePacked } from "./mxfp4.ts";
import { readable } from "./read.ts";

/** Opens a folder with `config.json` and safetensors, or one safetensors file with `config.json` beside it. @throws UserError */
export function safetensorsCheckpoint(path: string): Checkpoint {
  const weights = weightsOf(path);
  const { architecture, ...source } = readConfig(weights.folder);
  return {
    path,
    files: [source.path, ...(weights.index ? [weights.index.path] : []), ...weights.files],
    config: { kind: "huggingface", ...source },
    architecture,
    ...(methodOf(source.config) === MXFP4 ? readablePacked(readTensors(weights)) : plain(weights, path)),
  };
}

/** @throws MissingWeights if a folder has only a configuration */
function weightsOf(path: string): WeightFiles {
  try {
    return findWeights(path);
  } catch (error) {
    const found = error instanceof NoWeights ? configAlone(path) : undefined;
    throw found ? new MissingWeights((error as NoWeights).message, found) : error;
  }
}

/** Opens a folder's configuration as a model without weights; undefined if unreadable. */
function configAlone(folder: string): Checkpoint | undefined {
  const none = () => {
    throw new Error(`${folder} has no weights`);
  };
  try {
    const { architecture, ...source } = readConfig(folder);
    const config = { kind: "huggingface", ...source } as const;
    return {
      path: folder,
      files: [source.path],
      config,
      architecture,
      tensors: new Map(),
      floats: none,
      form: none,
      blocks: none,
    };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** A checkpoint without block forms. */
const plain = (weights: WeightFiles, path: string): ReturnType<typeof readablePacked> => ({
  ...readable(readTensors(weights)),
  form: () => undefined,
  blocks: ({ name }) => {
    throw new Error(`${path}: tensor ${name} is not stored in blocks`);
  },
});

function readTensors({ files, index }: WeightFiles): ReadonlyMap<string, SafeTensor> {
  const headers = new Map(files.map((file) => [file, withFile(file, parseHeader)]));
  if (!index) return headers.get(files[0]!)!;
  const absent = [...index.files].filter(([name, file]) => !headers.get(file)!.has(name)).map(([name]) => name);
  if (absent.length > 0)
    throw new UserError(
      `${index.path}: ${few(absent)} of its ${index.files.size} tensors are not in the files that it names`,
    );
  return new Map([...index.files].map(([name, file]) => [name, headers.get(file)!.get(name)!]));
}

/**
 * Reads a model's `config.json`. @throws UserError if it is missing or malformed, or the weights have unsupported
 * quantisation
 */
export function readConfig(folder: string): { path: string; config: JsonObject; architecture: string } {
  const file = path.join(folder, "config.json");
  const config = readJson(file, jsonObject, "the model's configuration beside its weights");
  // diffusers stores the name of the network's class instead.
  const architecture = config["model_type"] ?? config["_class_name"] ?? originalMamba(config);
  if (typeof architecture !== "string")
    throw new UserError(`${file}: "model_type" is ${JSON.stringify(architecture) ?? "missing"}, expected a name`);
  refuseQuantised(file, config);
  return { path: file, config, architecture };
}

/** The name of Mamba's architecture, which its original configurations omit (state-spaces/mamba). */
function originalMamba(config: JsonObject): string | undefined {
  if (!("d_model" in config && "ssm_cfg" in config)) return undefined;
  return (config["ssm_cfg"] as JsonObject | null)?.["layer"] === "Mamba2" ? "mamba2" : "mamba";
}

/** The supported quantisation method. */
const MXFP4 = "mxfp4";

/** A model's quantisation method, if any. */
function methodOf({ quantization_config: quantisation }: JsonObject): unknown {
  if (quantisation === undefined || quantisation === null) return undefined;
  return (quantisation as JsonObject)["quant_method"] ?? null;
}

function refuseQuantised(file: string, config: JsonObject): void {
  const method = methodOf(config);
  if (method === undefined || method === MXFP4) return;
  throw new UserError(
    `${file}: weights quantised by ${method === null ? "an unnamed method" : JSON.stringify(method)} ("quantization_config") are not supported; use the model's unquantised weights, or a GGUF`,
  );
}
