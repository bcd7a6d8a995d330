import type { Command } from "commander";
import { completionOptions } from "../../engine/decode/completion/options.ts";
import { checkPlace, type Place } from "../../engine/decode/completion/place.ts";
import { readText } from "../../train/data/files.ts";
import { inFile, UserError } from "../../util/errors.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { addFlags, collect, readFlags } from "../flags.ts";
import { examples, MODEL, SAVING } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { print, printJson } from "../output.ts";
import { billed, open, type SessionOptions } from "../session.ts";

interface Flags extends SessionOptions {
  at: Place;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<file>", "the source file")
    .requiredOption("--at <line:column>", "the cursor's line and column, counted from 1 as in editors", placeOf)
    .option("--model <model>", MODEL, "qwen2.5-coder")
    .option("--save <saving>", SAVING, collect)
    .option("--recipe <file>", "savings from a JSON or YAML file");
  addFlags(addFlags(command, quantOptions), completionOptions)
    .option("--json", "print one JSON object with text, stopped and receipt")
    .action(complete);
  examples(
    command,
    "modicum complete src/main.py --at 12:5",
    "modicum complete src/main.py --at 12:5 --save sec --json",
  );
}

/** Prints the text to insert at the cursor. */
async function complete(file: string, { at, json, ...options }: Flags): Promise<void> {
  const terms = readFlags(completionOptions, options);
  const text = sourceOf(file, at);
  const signal = interruptSignal();
  using model = await open(options, signal);
  await billed(async (onStopped) => {
    const { text: inserted, stopped, receipt } = await model.completeAt(text, { ...at, ...terms, signal, onStopped });
    if (json) printJson({ text: inserted, stopped, receipt });
    else print(inserted);
    return receipt;
  });
}

/** @throws UserError */
function placeOf(text: string): Place {
  const [, line, column] = /^([1-9]\d*):([1-9]\d*)$/.exec(text) ?? [];
  if (line === undefined) throw new UserError(`--at: expected LINE:COLUMN, both from 1, got "${text}"`, 2);
  return { line: Number(line), column: Number(column) };
}

/** Reads the file, before a model is loaded. @throws UserError if it cannot be completed at this position */
export function sourceOf(file: string, place: Place): string {
  const text = readText(file);
  return inFile(file, () => {
    if (text.includes("\0")) throw new UserError("this is a binary file, expected a source file");
    checkPlace(text, place);
    return text;
  });
}
