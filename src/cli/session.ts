import type { Command } from "commander";
import { z } from "zod";
import { generateOptions } from "../engine/decode/answer/generate.ts";
import { saysHowToDraw } from "../engine/decode/sampling/defaults.ts";
import type { Chunk, FinishReason, Model, OpenedPipeline, Receipt } from "../index.ts";
import { pipelineForms, textPipelineNamed, textPipelines } from "../pipelines/registry.ts";
import { deviceOptions } from "../runtime/device.ts";
import { type Budget, budget } from "../savings/auto/guarantee.ts";
import { UserError } from "../util/errors.ts";
import { quantOptions } from "../weights/prepared/weights.ts";
import { receiptsFile } from "../weights/sources/index.ts";
import { warn } from "./errors.ts";
import { addFlags, collect, readFlags } from "./flags.ts";
import { ADAPTER, common, MODEL, SAVING } from "./help.ts";
import { showDownload } from "./progress.ts";
import { formOption, recipeOf } from "./recipe.ts";

/** The flags of every verb that generates text. */
export interface SessionOptions extends Readonly<Record<string, unknown>> {
  model: string;
  save?: readonly string[];
  recipe?: string;
  adapter?: string;
}

/** Adds the flags of `SessionOptions` and of generation. */
export function addSessionFlags(command: Command): Command {
  command
    .addOption(
      common("--model <model>", `${MODEL}; with run also ${pipelineForms(textPipelines)}`)
        .default("smollm2")
        .helpGroup("Model:"),
    )
    .addOption(common("--save <saving>", SAVING).argParser(collect).helpGroup("Model:"))
    .addOption(common("--recipe <file>", "savings from a JSON or YAML file").helpGroup("Model:"))
    .addOption(common("--adapter <folder>", ADAPTER).helpGroup("Model:"));
  for (const flags of [quantOptions, deviceOptions]) addFlags(command, flags, "Model");
  addFlags(command, generateOptions, "Sampling");
  return addFlags(command, budgetFlags, "Budget of auto:NAME");
}

const budgetFlags = z.strictObject({
  budgetMs: budget.shape.ms.describe("maximum milliseconds of an answer under auto:NAME"),
  budgetFlops: budget.shape.flops.describe("maximum FLOPs of an answer under auto:NAME"),
});

/** The budget among a command's options, if any. */
function budgetOf(options: SessionOptions): { budget?: Budget } {
  const { budgetMs: ms, budgetFlops: flops } = readFlags(budgetFlags, options);
  return ms === undefined && flops === undefined ? {} : { budget: { ms, flops } };
}

/** Generation's options; without sampling options, the model's own settings apply. @throws UserError */
export const generation = (options: SessionOptions) => ({
  ...readFlags(generateOptions, options),
  modelSampling: !saysHowToDraw(options),
  defaultLength: options["maxTokens"] === undefined,
  ...budgetOf(options),
});

const deviceOf = (options: SessionOptions) => readFlags(deviceOptions, options);

/** Loads the model, with the recipe that the options name. @throws UserError */
export async function open(options: SessionOptions, signal: AbortSignal): Promise<Model> {
  const { model, save = [], recipe, adapter } = options;
  const savings = await recipeOf(save, recipe);
  using download = showDownload(model);
  const { load } = await import("../library/load.ts");
  return await load(model, {
    save: savings,
    ...formOption(options),
    ...deviceOf(options),
    adapter,
    signal,
    ...download,
  });
}

/** Opens the pipeline that the options name. @throws UserError, for example for options that belong to one model */
export async function openText(options: SessionOptions, signal: AbortSignal): Promise<OpenedPipeline> {
  const { save, recipe, adapter } = options;
  const { pipeline, roles, optionText } = textPipelineNamed(options.model)!;
  const { dense, serving } = pipeline;
  const inside = serving
    ? `MODEL@NAME in the ${serving.noun}`
    : pipeline.nameOf({ ...roles, [dense]: `${roles[dense]}@NAME` });
  const auto = pipeline.certified && save?.length === 1 && save[0]!.startsWith("auto:") ? save[0] : undefined;
  const one = Object.entries({ save: auto ? undefined : save, recipe, adapter }).find(
    ([, value]) => value !== undefined,
  );
  if (one) {
    const instead = `; register a recipe with \`modicum recipes add\` and use ${inside}`;
    const why = pipeline.settings ? `, but ${options.model} names ${pipeline.naming.kind}` : instead;
    throw new UserError(`--${one[0]} needs a single model${why}`, 2);
  }
  if (auto && optionText !== "")
    throw new UserError(`--save ${auto}: expected a pair without options after its @, got ${options.model}`, 2);
  const model = auto ? `${options.model}@${auto}` : options.model;
  using download = showDownload(model);
  const onDegraded = (why: string) => warn(`the larger model did not answer: ${why}`);
  const { openTextPipeline } = await import("../library/text-pipeline.ts");
  const own = { settings: (await pipeline.settings?.load())?.ofFlags(options), signal, onDegraded, ...download };
  return await openTextPipeline(model, { ...formOption(options), ...deviceOf(options), ...own });
}

/** Shows and stores the receipt of `work`, or, if it is stopped, of its cost so far. */
export async function billed(work: (onStopped: (receipt: Receipt) => void) => Promise<Receipt>): Promise<void> {
  let stopped: Receipt | undefined;
  const onStopped = (receipt: Receipt) => {
    stopped = receipt;
  };
  try {
    await bill(await work(onStopped));
  } catch (error) {
    if (stopped) await bill(stopped);
    throw error;
  }
}

/** Reports that an answer was ended because it repeated itself. */
export function warnOfLoop(reason: FinishReason | undefined): void {
  if (reason === "repetition")
    warn("the answer repeats itself and was ended; --no-repetition-detection lets it continue");
}

/** Prints an answer as it arrives: its text on stdout and, if stderr is a terminal, its reasoning there, dimmed. */
export class AnswerPrinter {
  #reasons = false;

  write({ text, reasoning }: Pick<Chunk, "text" | "reasoning">): void {
    if (reasoning !== undefined && process.stderr.isTTY) {
      process.stderr.write(`\x1b[2m${reasoning}\x1b[22m`);
      this.#reasons = true;
    }
    if (text === "") return;
    if (this.#reasons) process.stderr.write("\n\n");
    this.#reasons = false;
    process.stdout.write(text);
  }
}

/** Prints a text as it arrives, and always ends its last line; `before` is called with each piece. */
export async function printed<C extends Chunk>(chunks: AsyncIterable<C>, before: (piece: C) => void): Promise<Receipt> {
  const printer = new AnswerPrinter();
  let hasText = false;
  let end: FinishReason | undefined;
  try {
    for await (const piece of chunks) {
      before(piece);
      printer.write(piece);
      hasText ||= piece.text !== "";
      end = piece.finishReason;
      if (piece.receipt) return piece.receipt;
    }
  } finally {
    if (hasText) process.stdout.write("\n");
    warnOfLoop(end);
  }
  throw new Error("an answer ended without its receipt");
}

/** Shows and stores a receipt. */
async function bill(receipt: Receipt): Promise<void> {
  await show(receipt);
  await keep(receipt);
}

/** Stores a receipt in the ledger. The answer is already printed, so a failing ledger only causes a warning. */
async function keep(receipt: Receipt): Promise<void> {
  try {
    const { openLedger } = await import("../ledger/store.ts");
    const ledger = await openLedger(receiptsFile());
    await ledger.add(receipt);
    await ledger.close();
  } catch (error) {
    warn(`the receipt was not saved: ${(error as Error).message}`);
  }
}

/** Prints a receipt as one dimmed line on stderr, if that is a terminal. */
async function show(receipt: Receipt): Promise<void> {
  if (!process.stderr.isTTY) return;
  const { renderReceipt } = await import("../ledger/render.ts");
  process.stderr.write(`\x1b[2m${renderReceipt(receipt)}\x1b[22m\n`);
}
