import { tune } from "../engine/file/tune.ts";
import { kindOf } from "../engine/kinds/index.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { keepTuning, type Tuning, tuningOf } from "../weights/prepared/tuning.ts";
import { listModels, preparedFolder } from "../weights/sources/index.ts";
import type { Check } from "./checks.ts";

/** The width of codes that timing chose for each downloaded model here; `again` times them all anew. */
export async function tunings(again: boolean): Promise<Check[]> {
  const checks: Check[] = [];
  for (const { name, path, fault } of await listModels()) {
    if (fault !== undefined) continue;
    const folder = preparedFolder(path);
    if (again) await timeAgain(path, folder);
    const made = tuningOf(folder);
    if (made) checks.push({ name: `codes of ${name}`, ok: true, needed: false, found: tuningText(made) });
  }
  return checks;
}

async function timeAgain(path: string, folder: string): Promise<void> {
  const checkpoint = openCheckpoint(path);
  if (kindOf(checkpoint).name !== "decoder") return;
  const made = await tune(checkpoint, folder, "auto");
  if (made) await keepTuning(folder, made);
}

/** A choice and its reason. */
export function tuningText({ bits, steady, ms }: Tuning): string {
  if (!steady)
    return `4-bit types run in ${bits} bits, by the processor's instructions; the machine was too busy to be timed, which \`doctor --tune\` does again`;
  const other = bits === 4 ? 8 : 4;
  const factor = (of: "decode" | "prefill") => `${(ms[other][of] / ms[bits][of]).toFixed(2)} times`;
  return `4-bit types run in ${bits} bits, as timed here: ${factor("decode")} as fast as ${other} bits in a step, ${factor("prefill")} in a prompt`;
}
