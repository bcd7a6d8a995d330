import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint, StoredTensor } from "../checkpoint.ts";
import type { JsonObject } from "../json.ts";
import { jsonObject, readJson, readOptionalJson } from "../json-file.ts";
import { safetensorsCheckpoint } from "./checkpoint.ts";

const INDEX = "model_index.json";
const SCHEDULER = "scheduler_config.json";

/** The names of a pipeline's networks, each a folder with weights. */
const networks = ["text_encoder", "unet", "vae"] as const;

/** True for a diffusers folder with several networks. */
export const isPipeline = (folder: string): boolean => existsSync(path.join(folder, INDEX));

/**
 * Opens a pipeline's networks as one checkpoint: tensor names begin with the network's name (`unet.conv_in.weight`),
 * and the configuration contains the networks' and the scheduler's configurations, by name. `architecture` is the
 * pipeline's class.
 * @throws UserError
 */
export function pipelineCheckpoint(folder: string): Checkpoint {
  const file = path.join(folder, INDEX);
  const index = readJson(file, jsonObject, "the parts of a pipeline");
  const architecture = index["_class_name"];
  if (typeof architecture !== "string")
    throw new UserError(`${file}: "_class_name" is ${JSON.stringify(architecture) ?? "missing"}, expected a name`);
  const present = networks.filter((name) => Array.isArray(index[name]) && index[name].every((of) => of !== null));
  const parts = new Map(present.map((name) => [name as string, safetensorsCheckpoint(path.join(folder, name))]));
  const schedule = path.join(folder, "scheduler", SCHEDULER);
  const scheduler = readOptionalJson(schedule, jsonObject);
  return {
    path: folder,
    files: [file, ...(scheduler ? [schedule] : []), ...[...parts.values()].flatMap(({ files }) => files)],
    config: { kind: "huggingface", path: file, config: { ...configsOf(parts), ...(scheduler && { scheduler }) } },
    architecture,
    tensors: new Map([...parts].flatMap(([name, { tensors }]) => [...tensors.values()].map(renamed(name)))),
    floats: (tensor, rows) => {
      const [name, inner] = partOf(tensor);
      return parts.get(name)!.floats({ ...tensor, name: inner }, rows);
    },
    form: () => undefined,
    blocks: ({ name }) => {
      throw new Error(`${folder}: tensor ${name} is not stored in blocks`);
    },
  };
}

const configsOf = (parts: ReadonlyMap<string, Checkpoint>): JsonObject =>
  Object.fromEntries([...parts].map(([name, { config }]) => [name, config.kind === "gguf" ? {} : config.config]));

const renamed =
  (part: string) =>
  (tensor: StoredTensor): [string, StoredTensor] => [
    `${part}.${tensor.name}`,
    { ...tensor, name: `${part}.${tensor.name}` },
  ];

function partOf({ name }: StoredTensor): [part: string, inner: string] {
  const at = name.indexOf(".");
  return [name.slice(0, at), name.slice(at + 1)];
}
