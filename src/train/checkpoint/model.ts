import { copyFile } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { companions } from "../../weights/companions.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { asStored } from "../../weights/prepared/stored.ts";
import { type WritableTensor, writeTensors } from "../../weights/safetensors/write.ts";
import { writeConfig } from "../../weights/safetensors/write-config.ts";

/** A model to write as a Hugging Face folder. */
export interface WritableModel {
  /** The contents of `config.json`. */
  readonly config: JsonObject;
  /** Maps canonical names to the names in the base's checkpoint or in a new checkpoint. */
  readonly names: Names;
  /** Tensors by canonical name; matrices as [outputs, inputs]. */
  readonly tensors: ReadonlyMap<string, WritableTensor>;
  /** The model that training started from; its untrained tensors and its tokenizer's files are copied. */
  readonly base?: Checkpoint | undefined;
  /** Selects the base's tensors to copy, by their names in its file; default: all. */
  readonly copied?: ((name: string) => boolean) | undefined;
}

/**
 * Writes `config.json`, `model.safetensors` (float32) and the base's tokenizer files into a folder, which is created if
 * missing. Each file is written atomically, the weights last.
 * @throws UserError if writing fails, or the base is quantised
 */
export async function writeModel(
  folder: string,
  { config, names, tensors, base, copied }: WritableModel,
): Promise<void> {
  const packed = [...(base?.tensors.values() ?? [])].find(({ type }) => type === "MXFP4");
  if (packed)
    throw new UserError(
      `${base!.path}: tensor "${packed.name}" is in MXFP4, which cannot be written as floats; use the model's weights in float form`,
    );
  try {
    makeFolders(folder);
    for (const file of base ? companions(base) : []) await copyFile(file, path.join(folder, path.basename(file)));
  } catch (error) {
    throw writeError(error, folder);
  }
  const all = new Map([...(base ? stored(base, copied) : []), ...asStored(names, tensors)]);
  await writeConfig(folder, { ...config, ...float32(config), ...tied(names, all) });
  await writeTensors(path.join(folder, "model.safetensors"), all);
}

const stored = (base: Checkpoint, copied: (name: string) => boolean = () => true): [string, WritableTensor][] =>
  [...base.tensors]
    .filter(([name]) => copied(name))
    .map(([name, tensor]) => [name, { shape: tensor.shape, values: () => base.floats(tensor) }]);

/** transformers 5 uses a different key for the type. */
const float32 = (config: JsonObject): JsonObject =>
  "dtype" in config ? { dtype: "float32" } : { torch_dtype: "float32" };

/** The configuration field that ties the head to the token table; empty for models without a head. */
function tied(names: Names, tensors: ReadonlyMap<string, WritableTensor>): JsonObject {
  const entry = names(HEAD);
  const name = typeof entry === "string" ? entry : entry.name;
  return name === HEAD ? {} : { tie_word_embeddings: !tensors.has(name) };
}

const HEAD = "output.weight";
