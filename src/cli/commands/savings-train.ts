import path from "node:path";
import { type Command, Option } from "commander";
import type { ExitsFile } from "../../savings/depth/exits/artefact.ts";
import { documentsOf } from "../../train/methods/exit-heads/corpus.ts";
import { exitTrainOptions, trainedSavings } from "../../train/methods/exit-heads/options.ts";
import type { Progress } from "../../train/methods/exit-heads/states/collect.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { addFlags, readFlags } from "../flags.ts";
import { common, examples, MODEL } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption } from "../recipe.ts";

interface Options extends Readonly<Record<string, unknown>> {
  model: string;
  data: readonly string[];
  out: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .addArgument(command.createArgument("<saving>").choices(trainedSavings))
    .addOption(common("--model <model>", MODEL).default("smollm2"))
    .addOption(
      common(
        "--data <files...>",
        "files of text or source code; JSON lines have a document in each `text`",
      ).makeOptionMandatory(),
    )
    .addOption(common("--out <folder>", "where to write the exits").makeOptionMandatory())
    .addOption(new Option("--json", "print one JSON object, { out, save, … }"));
  examples(command, "modicum savings train dynamax --model smollm2 --data corpus.txt --out exits");
  addFlags(addFlags(command, exitTrainOptions), quantOptions).action(
    (saving: (typeof trainedSavings)[number], _: Options, own: Command) =>
      train(saving, own.optsWithGlobals<Options>()),
  );
}

async function train(saving: (typeof trainedSavings)[number], flags: Options): Promise<void> {
  const { data, out, json = false } = flags;
  const options = readFlags(exitTrainOptions, flags);
  const documents = documentsOf(data);
  const signal = interruptSignal();
  using download = showDownload(flags.model);
  const form = formOption(flags);
  const { load } = await import("../../library/load.ts");
  using model = await load(flags.model, { ...form, signal, ...download });
  const name = data.map((file) => path.basename(file)).join(", ");
  const terms = { ...options, ...form, data: name, signal, onProgress };
  const { trainExits } = await import("../../library/train-exits.ts");
  const exits = await trainExits(model, saving, documents, out, terms).catch(
    sayHowToGoOn(signal, () => "repeat the command to continue"),
  );
  if (json) printJson({ out, save: `${saving}:file=${out}`, ...exits });
  else show(exits, out);
}

let shown = "";

/** Prints a line for each stage, and for each tenth of a stage. */
function onProgress({ stage, done, of }: Progress): void {
  const line = `${stage}: ${Math.floor((10 * done) / of)}0 %`;
  if (line === shown) return;
  shown = line;
  process.stderr.write(`${line}\n`);
}

function show({ saving, layers, deciders, measured }: ExitsFile, out: string): void {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { right, agree, neverRight } = measured;
  const rows = [...layers.map(String), "all"].map((layer, i) => [
    ...["after", layer, percent(right[i]!), percent(agree[i]!)],
    ...deciders.map(({ measured: quality }) => quality[i]?.auc.toFixed(3) ?? ""),
  ]);
  const head = ["", "layer", "right", "agrees", ...deciders.map(({ kind }) => `auc of ${kind}`)];
  print(...columns([head, ...rows]), `never right: ${percent(neverRight)}`, `use it: --save ${saving}:file=${out}`);
}
