import path from "node:path";
import { type Command, Option } from "commander";
import { checkExportFolder, type ExportResult } from "../../engine/file/export-folder.ts";
import type { WriteOptions } from "../../runtime/onnx/write.ts";
import { UserError } from "../../util/errors.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { type ResolvedModel, resolveModel } from "../../weights/sources/index.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples, MODEL } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { megabytes, print } from "../output.ts";
import { showDownload } from "../progress.ts";
import { notePlainText, readType, writtenTypes } from "../written-type.ts";

const formats = ["onnx", "safetensors", "gguf"] as const;
type Format = (typeof formats)[number];

const typesShown = (["safetensors", "gguf"] as const)
  .map((format) => `of ${format} ${writtenTypes[format].join(", ")} (default: ${writtenTypes[format][0]})`)
  .join("; ");

export function define(command: Command): void {
  command
    .argument("<model>", MODEL)
    .argument("<dir>", "a new or empty folder for the weights, configuration and tokenizer")
    .addOption(new Option("--format <name>", "what is written").choices(formats).default("onnx"))
    .option("--type <name>", `the weights' type: ${typesShown}`)
    .option(
      "--adapter <folder>",
      "a PEFT LoRA adapter: merged in safetensors, alone in gguf, merged or separate in onnx",
    );
  addFlags(command, quantOptions).action(exportTo);
  examples(command, "modicum export minilm minilm-onnx");
}

interface Options {
  readonly quant?: string;
  readonly format: Format;
  readonly type?: string;
  readonly adapter?: string;
}

async function exportTo(name: string, dir: string, options: Options): Promise<void> {
  const write = writerOf(options);
  // The folder is checked before anything is downloaded.
  checkExportFolder(dir);
  const signal = interruptSignal();
  const model = await resolved(name, signal);
  using writing = showDownload(path.basename(path.resolve(dir)));
  const { folder, files, bytes } = await write(model, dir, { signal, onProgress: writing.onProgress });
  print(`${folder}  ${megabytes(bytes)}  ${files.join(", ")}`);
  if (options.adapter !== undefined) notePlainText([options.adapter]);
}

type Write = (model: ResolvedModel, dir: string, options: WriteOptions) => Promise<ExportResult>;

/** The writer of a format. @throws UserError for options of a different format */
function writerOf({ format, type, quant, adapter }: Options): Write {
  if (format === "onnx") {
    if (type !== undefined) throw new UserError("--type is for safetensors and gguf; ONNX takes --quant", 2);
    const form = readFlags(quantOptions, { quant }).quant;
    return async (model, dir, options) =>
      (await import("../../engine/file/export.ts")).exportModel(model, dir, form, { ...options, adapter });
  }
  if (quant !== undefined) throw new UserError(`--quant is for ONNX; ${format} takes --type`, 2);
  if (format === "gguf" && adapter !== undefined) {
    if (type !== undefined) throw new UserError("--type is for a model's weights; an adapter's GGUF is float32", 2);
    return async (model, dir, options) =>
      (await import("../../engine/file/export-gguf.ts")).exportGgufAdapter(model, adapter, dir, options);
  }
  if (format === "gguf") {
    const form = readType(format, type);
    return async (model, dir, options) =>
      (await import("../../engine/file/export-gguf.ts")).exportGguf(model, dir, form, options);
  }
  const form = readType(format, type);
  return async (model, dir, options) =>
    (await import("../../engine/file/export-safetensors.ts")).exportSafetensors(model.path, dir, form, {
      ...options,
      adapter,
    });
}

async function resolved(name: string, signal: AbortSignal) {
  using download = showDownload(name);
  return await resolveModel(name, { signal, ...download });
}
