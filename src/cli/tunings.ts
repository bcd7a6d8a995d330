import { tune } from "../engine/file/tune.ts";
import { knownKind } from "../engine/kinds/index.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import {
  type CodesTuning,
  keepTuning,
  type RotatedTuning,
  rotatedLoss,
  tunes,
  tuningOf,
} from "../weights/prepared/tuning.ts";
import { listModels, preparedFolder, type ResolvedModel } from "../weights/sources/index.ts";
import type { Check } from "./checks.ts";

/** The forms that timing selected on this machine for each downloaded model; if `again`, times all models again. */
export async function tunings(again: boolean): Promise<Check[]> {
  const checks: Check[] = [];
  const tell = (name: string, found: string) => checks.push({ name, ok: true, needed: false, found });
  if (again && !tunes()) tell("timing", UNUSED);
  for (const { fault, ...source } of await listModels()) {
    if (fault !== undefined) continue;
    if (again && tunes()) await timeAgain(source);
    const tuning = tuningOf(preparedFolder(source.path));
    const loss = rotatedLoss(source);
    if (tuning?.rotated && loss !== undefined) tell(`form of ${source.name}`, rotatedText(tuning.rotated, loss));
    if (tuning?.bits !== undefined) tell(`codes of ${source.name}`, codesText(tuning));
  }
  return checks;
}

const UNUSED = "--tune does nothing, since MODICUM_TUNE=off keeps the forms that the processor's instructions suggest";

async function timeAgain(source: ResolvedModel): Promise<void> {
  const checkpoint = openCheckpoint(source.path);
  if (knownKind(checkpoint)?.name !== "decoder") return;
  const tuning = await tune({ source, checkpoint, quant: "auto" });
  if (tuning) await keepTuning(preparedFolder(source.path), tuning);
}

/** Describes the width of codes, and why it was chosen. */
export function codesText({ bits, steady, ms }: CodesTuning): string {
  if (!steady)
    return `4-bit types run in ${bits} bits, as the processor's instructions suggest; the machine was too busy to time them; \`doctor --tune\` tries again`;
  const other = bits === 4 ? 8 : 4;
  const factor = (of: "decode" | "prefill") => `${(ms[other][of] / ms[bits][of]).toFixed(2)} times`;
  return `4-bit types run in ${bits} bits, as timed here: decoding is ${factor("decode")} as fast as in ${other} bits, prefill ${factor("prefill")}`;
}

/** Describes the form of the layers, and why it was chosen. */
export function rotatedText({ chosen, steady, ms }: RotatedTuning, loss: number): string {
  if (!steady) return "the default form; the machine was too busy to time q8r; `doctor --tune` tries again";
  const factor = (of: keyof typeof ms.default) => (ms.default[of] / ms.rotated[of]).toFixed(2);
  const factors = `${factor("step")} times as fast as the default form in a step, ${factor("batch")} in a batch of 8, ${factor("prompt")} in a prompt`;
  return chosen
    ? `q8r, as timed here: ${factors}; measured loss at most ${loss} nats per token`
    : `the default form, as timed here: q8r is ${factors}`;
}
