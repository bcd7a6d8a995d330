import type { Command } from "commander";
import { TextTooLong } from "../engine/truncate.ts";
import type { Model, Receipt, Stoppable } from "../index.ts";
import { quantOptions } from "../weights/prepared/weights.ts";
import { warn } from "./errors.ts";
import { addFlags } from "./flags.ts";
import { ADAPTER, common, MODEL } from "./help.ts";
import { interruptSignal } from "./interrupt.ts";
import { showDownload } from "./progress.ts";
import { formOption } from "./recipe.ts";
import { billed } from "./session.ts";

/** The flags of every verb that reads texts. */
export interface EncodeFlags extends Readonly<Record<string, unknown>> {
  model: string;
  json?: boolean;
  adapter?: string;
}

/** Adds the flags of `EncodeFlags`; without a default model, the flag is required. */
export function addEncodeFlags(command: Command, usual?: string): Command {
  const model = common("--model <model>", MODEL);
  command.addOption(usual === undefined ? model.makeOptionMandatory() : model.default(usual));
  return addFlags(command, quantOptions)
    .option("--adapter <folder>", ADAPTER)
    .addOption(common("--json", "print one JSON object with the receipt"));
}

/** An image's file, among the inputs of a verb that also reads images. */
export const imageFile = (image: string): { image: string } => ({ image });

/** Loads the model, reads the inputs, and stores the receipt. @throws UserError */
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
  using model = await load(flags.model, { ...formOption(flags), adapter: flags.adapter, signal, ...download });
  await billed(async (onStopped) => {
    const result = await read(model, inputs, { signal, onStopped });
    print(result);
    return result.receipt;
  });
}

/** Reads texts; texts that are too long are cut at their ends, with one warning. */
export async function readCut<T>(read: (terms: { truncate: boolean }) => Promise<T>): Promise<T> {
  try {
    return await read({ truncate: false });
  } catch (error) {
    if (!(error instanceof TextTooLong)) throw error;
    warn(`${error.length}; longer texts are cut at their end`);
    return read({ truncate: true });
  }
}
