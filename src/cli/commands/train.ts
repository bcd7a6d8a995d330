import type { Command } from "commander";
import type { TrainCall, TrainInput } from "../../index.ts";
import { MASKED } from "../../train/data/preview.ts";
import { beneath, withPresets } from "../../train/methods/complete.ts";
import { chosenMethod, methods } from "../../train/methods/registry.ts";
import { trainOptions } from "../../train/options.ts";
import { type Estimate, sentence } from "../../train/session/estimate.ts";
import { optionsOf as runOptions } from "../../train/session/folder.ts";
import type { TrainResult } from "../../train/session/session.ts";
import { UserError } from "../../util/errors.ts";
import { decimals } from "../../util/printable.ts";
import { readValues } from "../../util/values-file.ts";
import { flagOf, warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { common, examples } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { columns, megabytes, print, printJson } from "../output.ts";
import { howToGoOn, showTraining } from "../train-progress.ts";
import { defineVerbs, type Verb, type Words } from "../verbs.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  out?: string;
  resume?: string;
  force?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

const verbs: Readonly<Record<string, Verb>> = {
  sweep: { summary: "train every combination of a grid of options", load: () => import("./train-sweep.ts") },
  phases: { summary: "train on one data set after the other", load: () => import("./train-phases.ts") },
  interpolate: { summary: "write weights between two models", load: () => import("./train-interpolate.ts") },
  report: { summary: "compare runs on a page of curves", load: () => import("./train-report.ts") },
  watch: { summary: "show a run on a page that updates itself", load: () => import("./train-watch.ts") },
  law: { summary: "fit a scaling law to finished runs", load: () => import("./train-law.ts") },
  shrink: { summary: "write a pruned model without its dead neurons", load: () => import("./train-shrink.ts") },
  pairs: { summary: "train a CLIP or SigLIP model on captioned pictures", load: () => small("pairs") },
  localiser: { summary: "train the network that masks the object in a box", load: () => small("localiser") },
  regions: { summary: "train the bridge that names regions", load: () => small("bridge") },
  guard: { summary: "find the tensors to freeze in an image generator", load: () => import("./train-guard.ts") },
  mask: { summary: "write a mask of tensors that training must not change", load: () => import("./train-mask.ts") },
  "export-config": {
    summary: "write a run for transformers, PEFT and accelerate",
    load: () => import("./train-export-config.ts"),
  },
};

const small = async (name: Parameters<typeof import("../small-training.ts").verbOf>[0]) =>
  (await import("../small-training.ts")).verbOf(name);

/** The first word may name a verb with its own options. */
export async function define(command: Command, words: Words): Promise<void> {
  await defineVerbs(command.enablePositionalOptions(), verbs, words);
  command
    .argument("[config]", "a YAML or JSON file of options; flags override it")
    .optionsGroup("Run:")
    .addOption(common("--out <folder>", "folder for the run and, at the end, the model"))
    .addOption(common("--resume <folder>", "continue the run in this folder, with its own options"))
    .option("--force", "replace the run in the folder; with --resume, allow changed options and data")
    .addOption(common("--dry-run", "estimate time and memory, show samples, and stop"))
    .option("--json", "print one JSON object with the losses and the receipt");
  addFlags(command, trainOptions).action(run);
  command.options.find(({ long }) => long === "--method")!.argChoices = methods.map(({ name }) => name);
  examples(command, "modicum train --model smollm2 --data notes.txt --lora rank=8 --out adapter");
}

async function run(config: string | undefined, flags: Flags): Promise<void> {
  const signal = interruptSignal();
  checkFlags(flags);
  const { estimateTraining } = await import("../../lab/training/train.ts");
  const named = config === undefined ? nameFlag : undefined;
  if (flags.dryRun)
    return tellEstimate(await estimateTraining(await optionsOf(config, flags), { signal }).catch(named), flags);
  using progress = showTraining();
  const call = { ...progress, signal };
  const result = await started(config, flags, call)
    .catch(named)
    .catch(sayHowToGoOn(signal, () => howToGoOn((flags.out ?? flags.resume)!)));
  progress[Symbol.dispose]();
  if (flags.json) printJson(result);
  else tell(result);
}

/** Throws the error, with the flag in place of an option's name at its start. */
function nameFlag(error: unknown): never {
  const key = error instanceof UserError && /^(\w+): /.exec(error.message)?.[1];
  if (!key || !Object.hasOwn(trainOptions.shape, key)) throw error;
  throw new UserError(`${flagOf(key)}${error.message.slice(key.length)}`, error.exitCode);
}

/** @throws UserError for flags that cannot be combined */
function checkFlags({ out, resume, dryRun }: Flags): void {
  if (resume !== undefined && out !== undefined)
    throw new UserError("--resume continues in its own folder; omit --out", 2);
  if (resume !== undefined && dryRun)
    throw new UserError("--dry-run is for a new run; --resume prints an estimate anyway", 2);
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

/** Options that act only together with another one. */
const partners = { freezeShare: "freeze", freezeSteps: "freeze", taskLimit: "tasks", tokenizer: "architecture" };

/** The file's options, overridden by the flags, with a warning for options without effect. @throws UserError */
async function optionsOf(config: string | undefined, flags: Flags): Promise<TrainInput> {
  const values = config === undefined ? {} : await readValues(config, "the run");
  if (typeof values !== "object" || values === null || Array.isArray(values))
    throw new UserError(`${config}: expected the run's options by name`);
  const input = { ...values, ...flagsSet(flags) };
  for (const [option, partner] of Object.entries(partners))
    if (option in input && !(partner in input)) warn(`${flagOf(option)} has no effect without ${flagOf(partner)}`);
  return config === undefined ? readFlags(trainOptions, withPresets(input) as Flags) : withFlags(values, flags);
}

const flagsSet = (flags: Flags): Partial<Flags> =>
  Object.fromEntries(
    Object.keys(trainOptions.shape).flatMap((key) => (flags[key] === undefined ? [] : [[key, flags[key]]])),
  );

/** Options overridden by flags, field by field. */
const withFlags = (options: object, flags: Flags): TrainInput => beneath(options, flagsSet(flags)) as TrainInput;

function tellEstimate(estimate: Estimate, { json }: Flags): void {
  if (json) printJson(estimate);
  else print(sentence(estimate), ...samplesOf(estimate));
}

function samplesOf({ samples = [] }: Estimate): string[] {
  if (samples.length === 0) return [];
  const legend = `${MASKED.join("…")} encloses text that the model reads but is not trained on.`;
  return [legend, ...samples.map((text, i) => `\nSample ${i + 1}:\n${text}`)];
}

/** The commands that run a trained model, by head. */
const VERBS_OF = { lm: "run", classes: "classify", embedding: "embed", noise: "imagine" } as const;

type TrainSummary = Pick<TrainResult, "out" | "head" | "receipt"> & { readonly model: string | undefined };

/** The share saved, compared with the same steps without a method or frozen tensors. */
const savedShare = (share: number): string =>
  share < 0 ? `${(-100 * share).toFixed(1)} % more than dense` : `${(100 * share).toFixed(1)} % saved`;

/** The memory saved by freezing tensors, if any are frozen. */
function frozenRow({ work }: TrainResult["receipt"]): [string, string][] {
  const bytes = work?.["trainingBytes"];
  if (!bytes || bytes.run === bytes.dense) return [];
  const share = (100 * (1 - bytes.run / bytes.dense)).toFixed(1);
  return [["frozen", `${share} % of the parameters, ${megabytes(bytes.dense - bytes.run)} of training state saved`]];
}

function tell({ out, model, head, steps, ended, tokens, loss, heldOut, tasks = {}, receipt }: TrainResult): void {
  const nats = (value: number) => decimals(value, 4);
  print(
    ...columns([
      ["steps", ended === "patience" ? `${steps}, ended early: evaluations did not improve` : `${steps}`],
      ["tokens", `${tokens}`],
      ["training loss", `${nats(loss.first)} first, ${nats(loss.last)} last`],
      ...(heldOut ? [["held-out loss", `${nats(loss.best)} best`]] : []),
      ...Object.entries(tasks).map(([name, quality]) => [name, nats(quality)]),
      ["FLOPs", `${receipt.flops.spent.toExponential(3)}, ${savedShare(receipt.flops.saved)}`],
      ...frozenRow(receipt),
    ]),
    nextOf({ out, model, head, receipt }),
  );
}

/**
 * A sentence with the command that runs the result, with the saving that it was trained for. An adapter records its
 * prompt form; for a whole model with a chat template, the command includes --raw.
 */
function nextOf({ out, model, head, receipt }: TrainSummary): string {
  const { save, ...options } = runOptions(out);
  const chosen = chosenMethod(options);
  const next = chosen?.method.next?.(out, chosen.options, options.model);
  if (next !== undefined) return next;
  if (head === "own") return `it is written into ${out}`;
  const { prompt, template } = receipt.prompts ?? {};
  const named = model === undefined ? `--model ${out}` : `--model ${model} --adapter ${out}`;
  const saving = save === undefined ? "" : ` --save ${save}`;
  const raw = model === undefined && prompt === "raw" && template !== undefined ? " --raw" : "";
  return `modicum ${VERBS_OF[head]} ${named}${saving}${raw} ${head === "noise" ? "--out image.png" : '"…"'} runs it`;
}
