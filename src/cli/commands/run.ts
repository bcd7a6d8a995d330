import { type Command, Option } from "commander";
import type { FinishReason, Format, Model, OpenedPipeline, Receipt } from "../../index.ts";
import { pipelineNamed } from "../../pipelines/registry.ts";
import { UserError } from "../../util/errors.ts";
import { jsonObject, readJson } from "../../weights/json-file.ts";
import { MODES, type Mode } from "../../weights/tokenizer/index.ts";
import { collect } from "../flags.ts";
import { interruptSignal } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { runPlanned } from "../planned.ts";
import { addSessionFlags, billed, generation, open, openText, type SessionOptions, warnOfLoop } from "../session.ts";
import { pipedText, readStdin } from "../stdin.ts";

interface Options extends SessionOptions {
  raw?: boolean;
  json?: boolean;
  format?: string;
  infill?: boolean;
  mode?: string;
  image?: string[];
  planning?: string;
}

export function define(command: Command): void {
  addSessionFlags(command.argument("[prompt]", "the prompt; text from stdin is put before it"))
    .option("--image <file>", "an image before the prompt, of a model that reads images; may be repeated", collect)
    .option("--raw", "use the prompt as is, without the model's chat template (default: as the adapter was trained)")
    .option("--no-raw", "use the chat template, also for an adapter that was trained on plain text")
    .option("--infill", "fill the prompt's blanks, <extra_id_0>, <extra_id_1> …, by a model that was trained to")
    .addOption(new Option("--mode <mode>", "the mode of a model trained by UL2R that reads the prompt").choices(MODES))
    .option("--format <json or file>", "json: constrain the answer to a JSON object; FILE: to the JSON schema in it")
    .option("--planning <channel>", "of PLANNER+EXECUTOR: latent, text or none, with options such as text:steps=4")
    .option("--projector <folder>", "of PLANNER+EXECUTOR: a trained projector, in place of the one found for the two")
    .option("--json", "print one JSON object with text, tokens and receipt")
    .action(run);
}

async function run(argument: string | undefined, options: Options): Promise<void> {
  if (argument === undefined && process.stdin.isTTY) return (await import("./chat.ts")).chat(options);
  const signal = interruptSignal();
  const pipeline = pipelineNamed(options.model)?.name;
  if (pipeline === "plan") return runPlanned(await promptOf(argument, signal), options, signal);
  const alone = options.planning === undefined ? options.projector && "projector" : "planning";
  if (alone) throw new UserError(`--${alone} is for a planner with an executor, --model PLANNER+EXECUTOR`, 2);
  const { image } = options;
  const format = options.format === undefined ? {} : { format: formatOf(options.format) };
  const mode = options.mode === undefined ? {} : { mode: options.mode as Mode };
  const settings = {
    ...generation(options),
    ...(options.raw !== undefined && { raw: options.raw }),
    ...mode,
    ...format,
    ...(image && { images: image }),
    signal,
  };
  const prompt = await promptOf(argument, signal);
  using model = await openerOf(pipeline)(options, signal);
  const answer = options.infill ? filled(options) : options.json ? whole : stream;
  await billed((onStopped) => answer(model, prompt, { ...settings, onStopped }));
}

/** Opens a model, or what its name stands for. */
const openerOf = (pipeline: string | undefined) => (pipeline === undefined || pipeline === "first" ? open : openText);

/** @throws UserError if there is no such file, or it holds no schema */
const formatOf = (given: string): Format =>
  given === "json" ? given : readJson(given, jsonObject, 'a JSON schema, or the word "json"');

async function promptOf(argument: string | undefined, signal: AbortSignal): Promise<string> {
  const piped = argument === undefined ? await readStdin(signal) : await pipedText(signal);
  const prompt = [piped.trimEnd(), argument].filter(Boolean).join("\n\n");
  if (prompt.trim() === "") throw new UserError("the prompt is empty; give it as an argument or on stdin", 2);
  return prompt;
}

type Answering = Model | OpenedPipeline;
type Settings = Parameters<Model["generate"]>[1];

/** Prints the text as it comes, and always ends its last line. */
async function stream(model: Answering, prompt: string, settings: Settings): Promise<Receipt> {
  let printed = "";
  let end: FinishReason | undefined;
  try {
    for await (const { text, receipt, finishReason } of model.generate(prompt, settings)) {
      process.stdout.write(text);
      printed += text;
      end = finishReason;
      if (receipt) return receipt;
    }
  } finally {
    if (printed !== "") process.stdout.write("\n");
    warnOfLoop(end);
  }
  throw new Error("an answer ended without its receipt");
}

/** Prints the text with its blanks filled. */
const filled =
  ({ json }: Options) =>
  async (model: Answering, prompt: string, settings: Settings): Promise<Receipt> => {
    if (!("infill" in model)) throw new UserError("--infill is for one model, not for a pair", 2);
    const { text, blanks, finishReason, tokens, receipt } = await model.infill(prompt, settings);
    if (json) printJson({ text, blanks, finish_reason: finishReason, tokens: tokens.map(({ id }) => id), receipt });
    else process.stdout.write(`${text}\n`);
    return receipt;
  };

/** Prints nothing but the result. */
async function whole(model: Answering, prompt: string, settings: Settings): Promise<Receipt> {
  const answer = await model.complete(prompt, settings);
  const { text, finishReason, tokens, receipt } = answer;
  const shown = "shown" in answer && "field" in model ? { [model.field]: answer.shown } : {};
  const logprobs = settings?.logprobs === undefined ? {} : { logprobs: tokens };
  const ids = tokens.map(({ id }) => id);
  const result = { text, finish_reason: finishReason, tokens: ids, ...logprobs, ...shown, receipt };
  printJson(result);
  return receipt;
}
