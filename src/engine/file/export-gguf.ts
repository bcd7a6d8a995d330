import { writeFile } from "node:fs/promises";
import path from "node:path";
import { ggufAdapter } from "../../models/convert/gguf-adapter.ts";
import { asGguf } from "../../models/convert/to-gguf.ts";
import type { WriteOptions } from "../../runtime/onnx/write.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import type { WrittenType } from "../../weights/gguf/quantize.ts";
import { plannedGguf, type WritableGguf, writeGguf } from "../../weights/gguf/write.ts";
import { ensureSpace } from "../../weights/sources/disk.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";
import { modelfile } from "../../weights/tokenizer/modelfile.ts";
import { checkExportFolder, type ExportResult, intoFolder } from "./export-folder.ts";

/**
 * Writes a model as a GGUF, tensor by tensor, and a Modelfile with its template.
 * @throws UserError; the folder is then unchanged
 */
export async function exportGguf(
  { name, path: file }: Pick<ResolvedModel, "name" | "path">,
  folder: string,
  type: WrittenType,
  options: WriteOptions = {},
): Promise<ExportResult> {
  const title = titleOf(name);
  const written = `${title}-${type}.gguf`;
  return intoGguf(folder, written, options, async () => {
    const gguf = await asGguf(openCheckpoint(file), title, type);
    const { metadata } = plannedGguf(written, gguf);
    return { gguf, modelfile: modelfile([`FROM ./${written}`], new Tokenizer(fromGguf(metadata))) };
  });
}

/**
 * Writes a LoRA adapter in llama.cpp's format for the GGUF of its base, which does not change, and a Modelfile.
 * @throws UserError; the folder is then unchanged
 */
export async function exportGgufAdapter(
  { path: file }: Pick<ResolvedModel, "path">,
  adapter: string,
  folder: string,
  options: WriteOptions = {},
): Promise<ExportResult> {
  const title = titleOf(path.resolve(adapter));
  const written = `${title}-lora.gguf`;
  return intoGguf(folder, written, options, async () => {
    const base = openCheckpoint(file);
    const gguf = await ggufAdapter(base, openLora(adapter), title);
    const { from, tokenizer } = ollamaBase(base);
    return { gguf, modelfile: modelfile([...from, `ADAPTER ./${written}`], tokenizer) };
  });
}

/** A Modelfile's reference to an adapter's base. For a safetensors base, there is no GGUF yet. */
function ollamaBase({ path: file, config }: Checkpoint): { from: readonly string[]; tokenizer?: Tokenizer } {
  if (config.kind === "gguf")
    return { from: [`FROM ${path.resolve(file)}`], tokenizer: new Tokenizer(fromGguf(config.metadata)) };
  return { from: ["# Put the base model's GGUF into this folder, as BASE.gguf.", "FROM ./BASE.gguf"] };
}

async function intoGguf(
  folder: string,
  written: string,
  options: WriteOptions,
  plan: () => Promise<{ readonly gguf: WritableGguf; readonly modelfile: string }>,
): Promise<ExportResult> {
  const target = path.resolve(folder);
  checkExportFolder(target);
  const { gguf, modelfile: text } = await plan();
  const { size } = plannedGguf(path.join(target, written), gguf);
  await ensureSpace(target, size, "the export");
  const files = await intoFolder(target, async (aside) => {
    await writeFile(path.join(aside, "Modelfile"), text);
    await writeGguf(path.join(aside, written), gguf, (done) => {
      options.signal?.throwIfAborted();
      options.onProgress?.(done, size);
    });
  });
  return { folder: target, files, bytes: size };
}

/** A name for files: the last part of a model's name, without characters that file systems refuse. */
const titleOf = (name: string): string =>
  path
    .basename(name)
    .replace(/\.(gguf|safetensors)$/i, "")
    .replace(/^.*:/, "")
    .replace(/[^\w.-]+/g, "-") || "model";
