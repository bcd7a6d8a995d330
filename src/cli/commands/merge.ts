import path from "node:path";
import type { Command } from "commander";
import { checkExportFolder, type ExportResult } from "../../engine/file/export-folder.ts";
import { combinationOf, mergeIntoAdapter, mergeOptions } from "../../engine/file/merge.ts";
import { UserError } from "../../util/errors.ts";
import type { Combination } from "../../weights/adapter/combine.ts";
import { mergeAdapters, type WeightedAdapter } from "../../weights/adapter/merged.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { addFlags, collect, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { megabytes, print } from "../output.ts";
import { showDownload } from "../progress.ts";
import { notePlainText, readType } from "../written-type.ts";

export function define(command: Command): void {
  command
    .argument("<dir>", "a new or empty folder for the merged adapter, or with --model for the merged model")
    .requiredOption("--adapter <folder>", "a PEFT LoRA adapter; may be repeated", collect)
    .option("--weights <list>", "a weight for each adapter, such as 0.7,0.3 (default: 1 each)")
    .option("--model <model>", "add the adapters to the weights of this model, as a folder of safetensors")
    .option("--type <name>", "with --model, the weights' type: F32 (default), F16, BF16");
  addFlags(command, mergeOptions).action(merge);
  examples(command, "modicum merge both --adapter poet --adapter clerk --weights 0.7,0.3");
}

interface Options {
  readonly adapter: readonly string[];
  readonly weights?: string;
  readonly model?: string;
  readonly type?: string;
}

async function merge(dir: string, options: Options): Promise<void> {
  const how = combinationOf(readFlags(mergeOptions, { ...options }));
  const adapters = weighted(options);
  if (options.model === undefined && options.type !== undefined)
    throw new UserError("--type is for the weights of --model; an adapter is float32", 2);
  checkExportFolder(dir);
  const { folder, files, bytes } =
    options.model === undefined
      ? await mergeIntoAdapter(adapters, how, dir)
      : await intoModel(options.model, options.type, adapters, how, dir);
  print(`${folder}  ${megabytes(bytes)}  ${files.join(", ")}`);
  if (options.model !== undefined) notePlainText(options.adapter);
}

async function intoModel(
  name: string,
  type: string | undefined,
  adapters: readonly WeightedAdapter[],
  how: Combination,
  dir: string,
): Promise<ExportResult> {
  const form = readType("safetensors", type);
  const [only] = adapters.length === 1 && adapters[0]!.weight === 1 && how.type === "cat" ? adapters : [];
  const adapter = only ? only.folder : mergeAdapters(adapters, how).lora;
  const signal = interruptSignal();
  using download = showDownload(name);
  const model = await resolveModel(name, { signal, ...download });
  using writing = showDownload(path.basename(path.resolve(dir)));
  const { exportSafetensors } = await import("../../engine/file/export-safetensors.ts");
  return exportSafetensors(model.path, dir, form, { signal, onProgress: writing.onProgress, adapter });
}

/** @throws UserError if the numbers of weights and adapters differ */
function weighted({ adapter: folders, weights }: Options): WeightedAdapter[] {
  const numbers = weights === undefined ? folders.map(() => 1) : weights.split(",").map(Number);
  if (weights?.split(",").some((text) => text.trim() === "") || numbers.some((weight) => !Number.isFinite(weight)))
    throw new UserError(`--weights: expected numbers such as 0.7,0.3, got "${weights}"`, 2);
  if (numbers.length !== folders.length)
    throw new UserError(`--weights: expected one for each of ${folders.length} adapters, got ${numbers.length}`, 2);
  return folders.map((folder, i) => ({ folder, weight: numbers[i]! }));
}
