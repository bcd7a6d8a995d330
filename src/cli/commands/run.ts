import { type Command, Option } from "commander";
import { generateOptions } from "../../engine/decode/answer/generate.ts";
import type { Format, Model, OpenedPipeline, Receipt, ShownChunk } from "../../index.ts";
import { textPipelineNamed, textPipelines } from "../../pipelines/registry.ts";
import type { Shows, TextPipeline } from "../../pipelines/text-pipeline.ts";
import { UserError } from "../../util/errors.ts";
import { jsonObject, readJson } from "../../weights/json-file.ts";
import { MODES, type Mode } from "../../weights/tokenizer/index.ts";
import { collect, flagsSet } from "../flags.ts";
import { common, examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { addSessionFlags, billed, generation, open, openText, printed, type SessionOptions } from "../session.ts";
import { pipedText, readStdin } from "../stdin.ts";

interface Options extends SessionOptions {
  raw?: boolean;
  json?: boolean;
  format?: string;
  infill?: boolean;
  mode?: string;
  image?: string[];
}

export function define(command: Command): void {
  addSessionFlags(command.argument("[prompt]", "the prompt; text from stdin comes before it"))
    .optionsGroup("Prompt and output:")
    .addOption(
      common("--image <file>", "an image before the prompt, if the model reads images; may be repeated").argParser(
        collect,
      ),
    )
    .addOption(common("--raw", "send the prompt without the chat template (default: as the adapter was trained)"))
    .option("--no-raw", "use the chat template even if the adapter was trained on plain text")
    .option("--infill", "fill the blanks <extra_id_0>, <extra_id_1> … in the prompt; needs a model trained to do so")
    .addOption(new Option("--mode <mode>", "how a model trained with UL2R reads the prompt").choices(MODES))
    .addOption(common("--format <json or file>", "json: answer with a JSON object; FILE: follow its JSON schema"));
  for (const { settings } of textPipelines)
    for (const [flag, { value, help }] of Object.entries(settings?.flags ?? {}))
      command.option(`--${flag} <${value}>`, help);
  command.addOption(common("--json", "print one JSON object with text, tokens and receipt")).action(run);
  examples(
    command,
    'modicum run "Why is the sky blue?"',
    'modicum run --save lookup "Write a haiku about rain." --json',
    "git diff | modicum run --max-tokens 200 'Describe this change.'",
  );
}

async function run(argument: string | undefined, options: Options): Promise<void> {
  if (argument === undefined && process.stdin.isTTY) return (await import("./chat.ts")).chat(options);
  const signal = interruptSignal();
  const text = textPipelineNamed(options.model)?.pipeline;
  checkFlags(options, text);
  const { image } = options;
  const format = options.format === undefined ? {} : { format: formatOf(options.format) };
  const mode = options.mode === undefined ? {} : { mode: options.mode as Mode };
  const settings = {
    // A pipeline with settings has its own defaults.
    ...(text?.settings ? flagsSet(generateOptions, options) : generation(options)),
    ...(options.raw !== undefined && { raw: options.raw }),
    ...mode,
    ...format,
    ...(image && { images: image }),
    signal,
  };
  const prompt = await promptOf(argument, signal);
  using model = await (text ? openText : open)(options, signal);
  const answer = options.infill ? filled(options) : options.json ? whole : stream(text?.shows.line);
  await billed((onStopped) => answer(model, prompt, { ...settings, onStopped }));
}

/** @throws UserError for a single model's flags with a pipeline, or for a pipeline's flags without it */
function checkFlags(options: Options, { settings: own }: Pick<TextPipeline, "settings"> = {}): void {
  if (options["logprobs"] !== undefined && !options.json)
    throw new UserError("--logprobs needs --json, since text has no place for probabilities", 2);
  const other = own?.alone.flags.find((flag) => options[flag] !== undefined);
  if (other) throw new UserError(`--${other} needs a single model, but ${options.model} names two`, 2);
  for (const { settings, naming } of textPipelines) {
    const flag = Object.keys(settings?.flags ?? {}).find((name) => options[name] !== undefined);
    if (flag !== undefined && settings !== own)
      throw new UserError(`--${flag} needs ${naming.kind}, --model ${naming.form}`, 2);
  }
}

/** @throws UserError if there is no such file, or it holds no schema */
const formatOf = (value: string): Format =>
  value === "json" ? value : readJson(value, jsonObject, 'a JSON schema, or the word "json"');

async function promptOf(argument: string | undefined, signal: AbortSignal): Promise<string> {
  const piped = argument === undefined ? await readStdin(signal) : await pipedText(signal);
  const prompt = [piped.trimEnd(), argument].filter(Boolean).join("\n\n");
  if (prompt.trim() === "") throw new UserError("the prompt is empty; pass it as an argument or on stdin", 2);
  return prompt;
}

type Answering = Model | OpenedPipeline;
type Settings = Parameters<Model["generate"]>[1];

/** Prints the pipeline's `line`, if any, on stderr, then the text as it arrives. */
const stream = (line: Shows["line"]) => (model: Answering, prompt: string, settings: Settings) =>
  printed<ShownChunk>(model.generate(prompt, settings), ({ shown, receipt }) => {
    const first = shown === undefined || receipt ? undefined : line?.(shown);
    if (first !== undefined) process.stderr.write(`${first}\n`);
  });

/** Prints the text with its blanks filled. */
const filled =
  ({ json }: Options) =>
  async (model: Answering, prompt: string, settings: Settings): Promise<Receipt> => {
    if (!("infill" in model)) throw new UserError("--infill needs a single model, not a pair", 2);
    const { text, blanks, finishReason, tokens, receipt } = await model.infill(prompt, settings);
    if (json) printJson({ text, blanks, finish_reason: finishReason, tokens: tokens.map(({ id }) => id), receipt });
    else process.stdout.write(`${text}\n`);
    return receipt;
  };

/** Prints only the result. */
async function whole(model: Answering, prompt: string, settings: Settings): Promise<Receipt> {
  const answer = await model.complete(prompt, settings);
  const { text, reasoning, finishReason, tokens, receipt } = answer;
  const shown = "shown" in answer && "field" in model ? { [model.field]: answer.shown } : {};
  const logprobs = settings?.logprobs === undefined ? {} : { logprobs: tokens };
  const ids = tokens.map(({ id }) => id);
  const thought = reasoning === undefined ? {} : { reasoning };
  const result = { text, ...thought, finish_reason: finishReason, tokens: ids, ...logprobs, ...shown, receipt };
  printJson(result);
  return receipt;
}
