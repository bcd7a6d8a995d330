import { copyFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { asHuggingFace } from "../../models/convert/to-hugging-face.ts";
import { headModules } from "../../models/registry.ts";
import type { WriteOptions } from "../../runtime/onnx/write.ts";
import { UserError } from "../../util/errors.ts";
import { underClassNames, withHead } from "../../weights/adapter/head.ts";
import { type Lora, openLora } from "../../weights/adapter/lora.ts";
import { isMergeable, withAdapter } from "../../weights/adapter/merge.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { companions } from "../../weights/companions.ts";
import type { JsonObject } from "../../weights/json.ts";
import { type WritableTensor, writeTensors } from "../../weights/safetensors/write.ts";
import { writeConfig } from "../../weights/safetensors/write-config.ts";
import { ensureSpace } from "../../weights/sources/disk.ts";
import { tokenizerFilesOf } from "../../weights/tokenizer/files.ts";
import { copySentenceFiles } from "../encoders/text/sentence-files.ts";
import { checkExportFolder, type ExportResult, intoFolder } from "./export-folder.ts";

/** The types for writing safetensors, with transformers' names. */
const safetensorsTypes = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;
export type SafetensorsType = keyof typeof safetensorsTypes;

/**
 * Writes a model as a Hugging Face folder, tensor by tensor: config.json, tokenizer, `model.safetensors`. A GGUF is
 * dequantised. An adapter is added to the weights.
 * @throws UserError; the folder is then unchanged
 */
export async function exportSafetensors(
  file: string,
  folder: string,
  type: SafetensorsType,
  { adapter, ...options }: WriteOptions & { readonly adapter?: Lora | string | undefined } = {},
): Promise<ExportResult> {
  const target = path.resolve(folder);
  checkExportFolder(target);
  const source = openCheckpoint(file);
  const plain = await asHuggingFace(source);
  refusePacked(plain);
  const checkpoint = adapter === undefined ? plain : await merged(plain, adapter);
  const tensors = writable(checkpoint, type);
  const bytes = [...tensors.values()].reduce((sum, { shape }) => sum + volume(shape) * (type === "F32" ? 4 : 2), 0);
  const texts = source.config.kind === "gguf" ? tokenizerFilesOf(source) : {};
  await ensureSpace(target, bytes, "the export");
  const names = await intoFolder(target, async (aside) => {
    for (const own of companions(source)) await copyFile(own, path.join(aside, path.basename(own)));
    if (source.config.kind === "huggingface")
      await copySentenceFiles(path.dirname(source.config.path), aside, ["artifact.metadata"]);
    for (const [name, text] of Object.entries(texts)) await writeFile(path.join(aside, name), text);
    await writeConfig(aside, typed(checkpoint, type));
    await writeTensors(path.join(aside, "model.safetensors"), tensors, (done) => {
      options.signal?.throwIfAborted();
      options.onProgress?.(done, bytes);
    });
  });
  return { folder: target, files: names, bytes };
}

async function merged(base: Checkpoint, adapter: Lora | string): Promise<Checkpoint> {
  const head = await headModules(base);
  const lora = typeof adapter === "string" ? openLora(adapter, head?.all) : adapter;
  const whole = head ? withHead(base, lora, head) : base;
  if (isMergeable(whole, lora)) {
    const sum = withAdapter(whole, lora);
    return head ? underClassNames(sum, lora, head) : sum;
  }
  throw new UserError(
    `${lora.folder}: the adapter changes the token table, or the head tied to it, which safetensors stores as one tensor; keep the adapter separate`,
  );
}

function refusePacked({ path: file, tensors }: Checkpoint): void {
  const packed = [...tensors.values()].find(({ type }) => type === "MXFP4");
  if (packed) throw new UserError(`${file}: tensor "${packed.name}" is in MXFP4, which cannot be written as floats`);
}

const writable = (checkpoint: Checkpoint, type: SafetensorsType): Map<string, WritableTensor> =>
  new Map(
    [...checkpoint.tensors].map(([name, tensor]) => [
      name,
      {
        shape: tensor.shape,
        ...(type !== "F32" && { type }),
        values: () => checkpoint.floats(tensor),
      },
    ]),
  );

/** The contents of config.json. transformers 5 uses a different key for the type. */
function typed({ path: file, config }: Checkpoint, type: SafetensorsType): JsonObject {
  if (config.kind === "gguf") throw new Error(`${file} is not converted`);
  const { torch_dtype, dtype, ...rest } = config.config;
  return { ...rest, [dtype === undefined ? "torch_dtype" : "dtype"]: safetensorsTypes[type] };
}

const volume = (shape: readonly number[]): number => shape.reduce((total, size) => total * size, 1);
