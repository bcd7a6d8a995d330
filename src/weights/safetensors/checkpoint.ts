import { few, UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { withFile } from "../read-file.ts";
import { readConfig } from "./config.ts";
import { findWeights, type WeightFiles } from "./folder.ts";
import { parseHeader, type SafeTensor } from "./header.ts";
import { readFloats } from "./read.ts";

/** Opens a folder with `config.json` and safetensors, or one safetensors file with `config.json` beside it. @throws UserError */
export function safetensorsCheckpoint(path: string): Checkpoint {
  const weights = findWeights(path);
  const { architecture, ...source } = readConfig(weights.folder);
  const tensors = readTensors(weights);
  return {
    path,
    files: [source.path, ...(weights.index ? [weights.index.path] : []), ...weights.files],
    config: { kind: "huggingface", ...source },
    architecture,
    tensors,
    floats: ({ name, shape }, rows) => readFloats({ ...tensors.get(name)!, shape }, rows),
    form: () => undefined,
    blocks: ({ name }) => {
      throw new Error(`${path}: tensor ${name} is no blocks`);
    },
  };
}

function readTensors({ files, index }: WeightFiles): ReadonlyMap<string, SafeTensor> {
  const headers = new Map(files.map((file) => [file, withFile(file, parseHeader)]));
  if (!index) return headers.get(files[0]!)!;
  const absent = [...index.files].filter(([name, file]) => !headers.get(file)!.has(name)).map(([name]) => name);
  if (absent.length > 0)
    throw new UserError(`${index.path}: ${few(absent)} of its ${index.files.size} tensors are not where it says`);
  return new Map([...index.files].map(([name, file]) => [name, headers.get(file)!.get(name)!]));
}
