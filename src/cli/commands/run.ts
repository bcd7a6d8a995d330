import type { Command } from "commander";
import type { Completion, Model } from "../../index.ts";
import { UserError } from "../../util/errors.ts";
import { interruptSignal } from "../interrupt.ts";
import { addSessionFlags, generation, keep, open, type SessionOptions, show } from "../session.ts";
import { readStdin, stdinHasText } from "../stdin.ts";

interface Options extends SessionOptions {
  raw?: boolean;
  json?: boolean;
}

export function define(command: Command): void {
  addSessionFlags(command.argument("[prompt]", "the prompt; stdin's text, if any, is put before it"))
    .option("--raw", "take the prompt as it is, without the model's chat template")
    .option("--json", "print one JSON object with the text, the tokens and the receipt")
    .action(run);
}

async function run(argument: string | undefined, options: Options): Promise<void> {
  if (argument === undefined && process.stdin.isTTY) return (await import("./chat.ts")).chat(options);
  const signal = interruptSignal();
  const settings = { ...generation(options), ...(options.raw && { raw: true }), signal };
  const prompt = await promptOf(argument, signal);
  using model = await open(options, signal);
  const answer = options.json ? await whole(model, prompt, settings) : await stream(model, prompt, settings);
  await show(answer.receipt);
  await keep(answer.receipt);
}

async function promptOf(argument: string | undefined, signal: AbortSignal): Promise<string> {
  const piped = argument === undefined || stdinHasText() ? (await readStdin(signal)).trimEnd() : "";
  const prompt = [piped, argument].filter(Boolean).join("\n\n");
  if (prompt === "") throw new UserError("the prompt is empty: give it as an argument or on stdin");
  return prompt;
}

type Settings = Parameters<Model["generate"]>[1];

/** Prints the text as it comes. */
async function stream(model: Model, prompt: string, settings: Settings): Promise<Pick<Completion, "receipt">> {
  try {
    for await (const { text, receipt } of model.generate(prompt, settings)) {
      process.stdout.write(text);
      if (receipt) return { receipt };
    }
  } finally {
    process.stdout.write("\n");
  }
  throw new Error("an answer ended without its receipt");
}

/** Prints nothing but the result. */
async function whole(model: Model, prompt: string, settings: Settings): Promise<Completion> {
  const answer = await model.complete(prompt, settings);
  const { text, finishReason, tokens, receipt } = answer;
  const logprobs = settings?.logprobs === undefined ? {} : { logprobs: tokens };
  const result = { text, finish_reason: finishReason, tokens: tokens.map(({ id }) => id), ...logprobs, receipt };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return answer;
}
