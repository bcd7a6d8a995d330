import os from "node:os";
import path from "node:path";
import { z } from "zod";
import type { CodeBits } from "../../graph/index.ts";
import type { Device } from "../../runtime/device.ts";
import { ortLibrary } from "../../runtime/ort/library.ts";
import { kernelInstructions, processorBits } from "../../runtime/processor.ts";
import { availableThreads } from "../../runtime/threads.ts";
import { keepJson } from "../../util/write-whole.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { readJson } from "../json-file.ts";
import { preparedFolder, type ResolvedModel } from "../sources/store.ts";
import { formOfModel, type ModelForm, type Quant } from "./quant.ts";

/** Milliseconds for the timed products: with one row, and per row of a prompt. */
const times = z.object({ decode: z.number(), prefill: z.number() });

const codesTuning = z.object({
  bits: z.literal([4, 8]),
  /** False if the machine was too busy for meaningful times; `bits` then follows from the processor's instructions. */
  steady: z.boolean(),
  /** Times by code width. */
  ms: z.object({ 4: times, 8: times }),
});

/** Milliseconds per row for the layers' products in a step, in a batch of 8 and in a prompt. */
const rowTimes = z.object({ step: z.number(), batch: z.number(), prompt: z.number() });

const rotatedTuning = z.object({
  /** True if `auto` selects rotated bytes. */
  chosen: z.boolean(),
  /** False if the machine was too busy for meaningful times; nothing is then chosen. */
  steady: z.boolean(),
  /** Times in the default form, and in rotated bytes. */
  ms: z.object({ default: rowTimes, rotated: rowTimes }),
});

const tuning = z.union([
  codesTuning.extend({ rotated: rotatedTuning.optional() }),
  // The choice for a model without 4-bit types.
  z.object({ bits: z.undefined().optional(), rotated: rotatedTuning }),
]);

/** The code width of a model's 4-bit types on one processor, and the times behind it. */
export type CodesTuning = z.infer<typeof codesTuning>;

/** The choice between rotated bytes and the default form on one processor, and the times that decided it. */
export type RotatedTuning = z.infer<typeof rotatedTuning>;

/** All timings of a model on one processor. */
export type Tuning = z.infer<typeof tuning>;

/** Keyed by processor. */
const tunings = z.record(z.string(), tuning);

const fileOf = (folder: string): string => path.join(folder, "tuning.json");

/** False if MODICUM_TUNE is `off`, so that the processor's instructions decide the forms. */
export const tunes = (): boolean => process.env["MODICUM_TUNE"] !== "off";

/** Identifies everything on this machine that affects times and the last digits of results. */
export const processorKey = (): string =>
  [
    os.cpus()[0]?.model.trim() ?? "unknown",
    ...[process.arch, ...kernelInstructions()],
    ...[`${availableThreads()} threads`, `ONNX Runtime ${ortLibrary().version}`],
  ].join(" ");

/**
 * The choice stored on this machine for a model with this folder of prepared weights; undefined if no choice is stored,
 * or tuning is off.
 */
export function tuningOf(folder: string): Tuning | undefined {
  const all = tunes() ? readTunings(folder) : {};
  // Computed late, because computing the key loads the runtime's library.
  return Object.keys(all).length > 0 ? all[processorKey()] : undefined;
}

/** Stores a choice. @throws UserError if writing fails */
export const keepTuning = (folder: string, choice: Tuning): Promise<void> =>
  keepJson(fileOf(folder), { ...readTunings(folder), [processorKey()]: choice });

function readTunings(folder: string): z.infer<typeof tunings> {
  try {
    return readJson(fileOf(folder), tunings, "timings");
  } catch {
    // The next timing rewrites a missing or damaged file.
    return {};
  }
}

/** The code width of 4-bit types: the width chosen for the model, or else the processor's default. */
export const chosenBits = (folder: string): CodeBits => tuningOf(folder)?.bits ?? processorBits();

/**
 * Bounds on the nats per token that models lose in rotated bytes compared with their default form, by the SHA-256 of
 * their weights: the upper ends of 95 % intervals over 16,352 held-out tokens (research/forms/log.md). Only these
 * models may run in rotated bytes by default.
 */
export const rotatedLosses: Readonly<Record<string, number>> = {
  // smollm2
  b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53: 0.0003,
  // qwen2.5-coder
  "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32": 0.00162,
  // qwen2.5-coder-1.5b
  cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046: 0.00182,
  // gemma3
  a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818: 0.00324,
};

/** The largest loss that a default form may cause. */
const MOST_NATS = 0.005;

/** A bound on the nats per token that a model loses in rotated bytes; undefined if it is unknown or too large. */
export function rotatedLoss({ sha256 }: Pick<ResolvedModel, "sha256">): number | undefined {
  const loss = sha256 === undefined ? undefined : rotatedLosses[sha256];
  return loss !== undefined && loss <= MOST_NATS ? loss : undefined;
}

/** The form of a model's weights on this machine; `auto` means rotated bytes if timing chose them. */
export function quantHere(source: Pick<ResolvedModel, "path" | "sha256">, quant: Quant, device: Device = "cpu"): Quant {
  if (quant !== "auto" || device !== "cpu" || rotatedLoss(source) === undefined) return quant;
  const found = tuningOf(preparedFolder(source.path));
  return found?.rotated?.chosen ? "q8r" : quant;
}

/** The form of a model's weights on this machine, including the code width that timing chose. */
export const formHere = (
  source: Pick<ResolvedModel, "path" | "sha256">,
  checkpoint: Checkpoint,
  quant: Quant,
  device?: Device,
): ModelForm => formOfModel(checkpoint, quantHere(source, quant, device), chosenBits(preparedFolder(source.path)));
