import type { Command } from "commander";
import type { TrainCall, TrainInput } from "../../index.ts";
import { beneath, withPresets } from "../../train/methods/complete.ts";
import { chosenMethod } from "../../train/methods/registry.ts";
import { trainOptions } from "../../train/options.ts";
import { type Estimate, sentence } from "../../train/session/estimate.ts";
import { optionsOf as runOptions } from "../../train/session/folder.ts";
import type { TrainResult } from "../../train/session/session.ts";
import { UserError } from "../../util/errors.ts";
import { readValues } from "../../util/values-file.ts";
import { addFlags, readFlags } from "../flags.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { columns, megabytes, print, printJson } from "../output.ts";
import { howToGoOn, showTraining } from "../train-progress.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  out?: string;
  resume?: string;
  force?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

const verbs: Readonly<Record<string, () => Promise<{ define(command: Command): void }>>> = {
  sweep: () => import("./train-sweep.ts"),
  phases: () => import("./train-phases.ts"),
  interpolate: () => import("./train-interpolate.ts"),
  report: () => import("./train-report.ts"),
  law: () => import("./train-law.ts"),
  shrink: () => import("./train-shrink.ts"),
  pairs: async () => (await import("../small-training.ts")).verbOf("pairs"),
  localiser: async () => (await import("../small-training.ts")).verbOf("localiser"),
  regions: async () => (await import("../small-training.ts")).verbOf("bridge"),
  guard: () => import("./train-guard.ts"),
  mask: () => import("./train-mask.ts"),
  "export-config": () => import("./train-export-config.ts"),
};

const VERBS = `
Also:
  modicum train sweep GRID.yaml --out DIR  train every combination of a grid of options
  modicum train phases FILE.yaml --out DIR train on one data set after the other, the weights carried on
  modicum train interpolate BASE TUNED --weight 0.5 --out DIR  write weights between two models
  modicum train report DIR…                compare runs as a page of curves
  modicum train law DIR|FILE.jsonl…        fit a scaling law to finished runs
  modicum train shrink MODEL --out DIR     write a pruned model without its dead neurons
  modicum train pairs FILE.yaml --out DIR      train a CLIP or a SigLIP on pictures with captions
  modicum train localiser FILE.yaml --out DIR  train what draws the mask of the object in a box
  modicum train regions FILE.yaml --out DIR    train the bridge that names regions
  modicum train guard [CONFIG.yaml] --out FILE learn which tensors of an image generator to freeze
  modicum train mask MODEL --freeze NAME… --out FILE  write a mask of tensors that training leaves as they are
  modicum train export-config RUN.yaml|DIR --to trl --out DIR  write a run for transformers, PEFT and accelerate`;

/** The first word may name a verb, whose options are its own. */
export async function define(command: Command, words: readonly string[]): Promise<void> {
  const [name = ""] = words;
  if (Object.hasOwn(verbs, name)) (await verbs[name]!()).define(command.command(name));
  else defineTraining(command.addHelpText("after", VERBS));
}

function defineTraining(command: Command): void {
  command
    .argument("[config]", "a YAML or JSON file with the run's options; flags override it")
    .option("--out <folder>", "the run's folder, in the end the model's folder")
    .option("--resume <folder>", "continue the run in a folder; options that are given must be its own")
    .option("--force", "replace the run in the folder; with --resume, continue it with changed options or data")
    .option("--dry-run", "estimate what the run takes here from its first batch, and stop")
    .option("--json", "print one JSON object with the losses and the receipt");
  addFlags(command, trainOptions).action(run);
}

async function run(config: string | undefined, flags: Flags): Promise<void> {
  const signal = interruptSignal();
  checkFlags(flags);
  const { estimateTraining } = await import("../../lab/training/train.ts");
  if (flags.dryRun) return tellEstimate(await estimateTraining(await optionsOf(config, flags), { signal }), flags);
  using progress = showTraining();
  const call = { ...progress, signal };
  const result = await started(config, flags, call).catch(
    sayHowToGoOn(signal, () => howToGoOn((flags.out ?? flags.resume)!)),
  );
  progress[Symbol.dispose]();
  if (flags.json) printJson(result);
  else tell(result);
}

/** @throws UserError for flags that exclude each other */
function checkFlags({ out, resume, dryRun }: Flags): void {
  if (resume !== undefined && out !== undefined)
    throw new UserError("--resume continues in its own folder; leave out --out", 2);
  if (resume !== undefined && dryRun)
    throw new UserError("--dry-run is for a run that has not begun; --resume says its estimate before it goes on", 2);
  if (out === undefined && resume === undefined && !dryRun)
    throw new UserError("--out: expected a folder for the run", 2);
}

type Call = Omit<TrainCall, "out" | "reuse">;

async function started(config: string | undefined, flags: Flags, call: Call): Promise<TrainResult> {
  const { out, resume, force } = flags;
  const { train } = await import("../../lab/training/train.ts");
  if (resume === undefined)
    return train(await optionsOf(config, flags), { ...call, out: out!, reuse: force ? "force" : "refuse" });
  const options = config === undefined ? withFlags(runOptions(resume), flags) : await optionsOf(config, flags);
  return train(options, { ...call, out: resume, reuse: force ? "resume changed" : "resume" });
}

/** The file's options, with the flags above them. @throws UserError */
async function optionsOf(config: string | undefined, flags: Flags): Promise<TrainInput> {
  if (config === undefined) return readFlags(trainOptions, withPresets(givenOf(flags)) as Flags);
  const values = await readValues(config, "the run");
  if (typeof values !== "object" || values === null || Array.isArray(values))
    throw new UserError(`${config}: expected the run's options by name`);
  return withFlags(values, flags);
}

const givenOf = (flags: Flags): Partial<Flags> =>
  Object.fromEntries(
    Object.keys(trainOptions.shape).flatMap((key) => (flags[key] === undefined ? [] : [[key, flags[key]]])),
  );

/** Options with those of the flags above them, also single fields. */
const withFlags = (options: object, flags: Flags): TrainInput => beneath(options, givenOf(flags)) as TrainInput;

function tellEstimate(found: Estimate, { json }: Flags): void {
  if (json) printJson(found);
  else print(sentence(found));
}

/** Commands that run a model by what was trained. */
const VERBS_OF = { lm: "run", classes: "classify", embedding: "embed", noise: "imagine" } as const;

type Trained = Pick<TrainResult, "out" | "head" | "receipt"> & { readonly model: string | undefined };

/** The memory that frozen tensors spare, if there are any. */
function frozenRow({ work }: TrainResult["receipt"]): [string, string][] {
  const bytes = work?.["trainingBytes"];
  if (!bytes || bytes.run === bytes.dense) return [];
  const share = (100 * (1 - bytes.run / bytes.dense)).toFixed(1);
  return [["frozen", `${share} % of the parameters, ${megabytes(bytes.dense - bytes.run)} of training state saved`]];
}

function tell({ out, model, head, steps, ended, tokens, loss, tasks = {}, receipt }: TrainResult): void {
  const nats = (value: number) => value.toFixed(4);
  print(
    ...columns([
      ["steps", ended === "patience" ? `${steps}, ended early: evaluations did not improve` : `${steps}`],
      ["tokens", `${tokens}`],
      ["loss", `${nats(loss.first)} first, ${nats(loss.last)} last, ${nats(loss.best)} best`],
      ...Object.entries(tasks).map(([name, quality]) => [name, nats(quality)]),
      ["FLOPs", `${receipt.flops.spent.toExponential(3)}, ${(100 * receipt.flops.saved).toFixed(1)} % saved`],
      ...frozenRow(receipt),
    ]),
    nextOf({ out, model, head, receipt }),
  );
}

/**
 * A sentence on the command that runs what was trained, with the saving that it was trained with. An adapter records its prompt form;
 * a whole model that has a chat template is told to take texts as they are.
 */
function nextOf({ out, model, head, receipt }: Trained): string {
  const { save, ...options } = runOptions(out);
  const chosen = chosenMethod(options);
  if (head === "own") return chosen?.method.next?.(out, chosen.options) ?? `it is written into ${out}`;
  const { prompt, template } = receipt.prompts ?? {};
  const named = model === undefined ? `--model ${out}` : `--model ${model} --adapter ${out}`;
  const saving = save === undefined ? "" : ` --save ${save}`;
  const raw = model === undefined && prompt === "raw" && template !== undefined ? " --raw" : "";
  return `modicum ${VERBS_OF[head]} ${named}${saving}${raw} ${head === "noise" ? "--out image.png" : '"…"'} runs it`;
}
