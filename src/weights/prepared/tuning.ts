import os from "node:os";
import path from "node:path";
import { z } from "zod";
import type { CodeBits } from "../../graph/index.ts";
import { ortLibrary } from "../../runtime/ort/library.ts";
import { kernelInstructions, processorBits } from "../../runtime/processor.ts";
import { availableThreads } from "../../runtime/threads.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readJson } from "../json-file.ts";

/** Milliseconds of the products whose form is chosen: with one row, and a row of a prompt. */
const times = z.object({ decode: z.number(), prefill: z.number() });

const tuning = z.object({
  bits: z.literal([4, 8]),
  /** False if the machine was too busy for the times to mean anything; `bits` is then what its instructions suggest. */
  steady: z.boolean(),
  /** By the bits of the codes. */
  ms: z.object({ 4: times, 8: times }),
});

/** The width of codes in which a model's 4-bit types run on one processor, and the times that it follows from. */
export type Tuning = z.infer<typeof tuning>;

/** By processor. */
const tunings = z.record(z.string(), tuning);

const fileOf = (folder: string): string => path.join(folder, "tuning.json");

/** False if MODICUM_TUNE is `off`: forms are then those that the processor's instructions suggest. */
export const tunes = (): boolean => process.env["MODICUM_TUNE"] !== "off";

/** Everything here that the times depend on. */
const processorKey = (): string =>
  [
    os.cpus()[0]?.model.trim() ?? "unknown",
    ...[process.arch, ...kernelInstructions()],
    ...[`${availableThreads()} threads`, `ONNX Runtime ${ortLibrary().version}`],
  ].join(" ");

/** The choice that was made here for the model with this folder of prepared weights; undefined if none was, or it is not to be used. */
export function tuningOf(folder: string): Tuning | undefined {
  const all = tunes() ? kept(folder) : {};
  // The key loads the runtime's library.
  return Object.keys(all).length > 0 ? all[processorKey()] : undefined;
}

/** Keeps a choice. @throws UserError if the disk refuses it */
export const keepTuning = (folder: string, made: Tuning): Promise<void> =>
  keepJson(fileOf(folder), { ...kept(folder), [processorKey()]: made });

function kept(folder: string): z.infer<typeof tunings> {
  try {
    return readJson(fileOf(folder), tunings, "timings");
  } catch {
    // A missing or a damaged file is written again by the next timing.
    return {};
  }
}

/** The width of codes of 4-bit types: the one chosen for the model, or else for the processor. */
export const chosenBits = (folder: string): CodeBits => tuningOf(folder)?.bits ?? processorBits();
