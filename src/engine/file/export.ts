import { copyFile } from "node:fs/promises";
import path from "node:path";
import { portable, type WriteOptions, writeOnnx } from "../../runtime/onnx/write.ts";
import { UserError } from "../../util/errors.ts";
import { companions } from "../../weights/companions.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { ensureSpace } from "../../weights/sources/disk.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import { kindOf } from "../kinds/index.ts";
import { openAdapted } from "./adapters.ts";
import { checkExportFolder, type ExportResult, intoFolder } from "./export-folder.ts";

export interface ExportOptions extends WriteOptions {
  /** Folder of a PEFT LoRA adapter: merged into safetensors weights, or added to a GGUF's weights in the graph. */
  readonly adapter?: string | undefined;
}

/**
 * Writes a model as ONNX into a new or empty folder: `model.onnx`, or `encoder_model.onnx` and `decoder_model.onnx`;
 * `model.onnx.data`; and its configuration and tokenizer files, if it has them. Prepares missing weights.
 * @throws UserError; the folder is then unchanged
 */
export async function exportModel(
  model: ResolvedModel,
  folder: string,
  quant: Quant,
  { adapter, ...options }: ExportOptions = {},
): Promise<ExportResult> {
  const target = path.resolve(folder);
  checkExportFolder(target);
  const adapted = await openAdapted(model.path, { adapter });
  const { checkpoint } = adapted;
  const { name, load } = await kindOf(checkpoint);
  const kind = await load();
  if (!kind.export)
    throw new UserError(`${checkpoint.path}: ONNX export does not support the ${name}; use --format safetensors`);
  const files = portable(await kind.export(adapted, preparedFolder(model.path), quant), target);
  await ensureSpace(target, files.bytes, "the export");
  const names = await intoFolder(target, async (aside) => {
    for (const file of companions(checkpoint)) await copyFile(file, path.join(aside, path.basename(file)));
    await writeOnnx(files, aside, options);
  });
  return { folder: target, files: names, bytes: files.bytes };
}
