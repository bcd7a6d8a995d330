import type { Command } from "commander";
import { describeModel, type ModelDescription } from "../../engine/describe.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { addFlags, readFlags } from "../flags.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, megabytes, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

export function define(command: Command): void {
  command
    .argument("<model>", "alias, hf:org/name[:file], pypi:…, npm:…, or path to a GGUF file or a model's folder")
    .option("--json", "print one JSON object");
  addFlags(command, quantOptions).action(show);
}

async function show(name: string, { json = false, ...options }: { json?: boolean; quant?: string }): Promise<void> {
  const { quant } = readFlags(quantOptions, options);
  using download = showDownload(name);
  const model = describeModel(await resolveModel(name, { signal: interruptSignal(), ...download }), quant);
  if (json) return printJson(model);
  print(...columns(rows(model)));
}

const grouped = (n: number): string => n.toLocaleString("en");
const scientific = (n: number): string => n.toExponential(2).replace("e+", "e");

/** Every change of the weights is told; a form without a word of it has the file's own. */
const holding = ({ tensors, type, form, exact, bytes }: ModelDescription["tensors"][number]): string =>
  `${tensors} ${type} as ${form}${exact ? "" : ", not exact"}, ${megabytes(bytes)}`;

const rows = ({ config, bytes, flopsPerToken, ...model }: ModelDescription): [string, string][] => [
  ["name", model.name],
  ["file", model.path],
  ["source", model.source],
  ["architecture", model.architecture],
  ["layers", `${config.layers} of width ${config.hidden}`],
  ["attention", `${config.heads} heads of ${config.headSize}, ${config.kvHeads} of them with keys and values`],
  ["vocabulary", grouped(config.vocabulary)],
  ["context", `${grouped(config.context)} tokens`],
  ["parameters", grouped(model.parameters)],
  ["on disk", megabytes(bytes.disk)],
  ["in memory", `${megabytes(bytes.memory)}, and up to ${megabytes(bytes.cache)} of cache for each sequence`],
  ...model.tensors.map((held, i): [string, string] => [i === 0 ? "tensors" : "", holding(held)]),
  ["dense FLOPs", `${scientific(flopsPerToken.empty)} a token, ${scientific(flopsPerToken.full)} at full context`],
  ["seams", model.seams.join(", ")],
  ["savings", model.savings.join(", ")],
];
