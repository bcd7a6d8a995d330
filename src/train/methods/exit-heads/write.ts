import { exitsJson, exitsTensors } from "../../../savings/depth/exits/artefact.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { writeError } from "../../../util/system-errors.ts";
import { writeJson } from "../../../util/write-whole.ts";
import { type WritableTensor, writeTensors } from "../../../weights/safetensors/write.ts";
import type { TrainedExits } from "./exit-stages.ts";

/**
 * Writes exits into a folder, created if missing, as `exits.safetensors` and `exits.json`, each atomically. Heads are
 * stored in float16; deciders, which are small and read raw streams, in float32.
 * @throws UserError if writing fails
 */
export async function writeExits(folder: string, { metadata, weights }: TrainedExits): Promise<void> {
  try {
    makeFolders(folder);
  } catch (error) {
    throw writeError(error, folder);
  }
  const tensors = [...weights].map(([name, { shape, values }]): [string, WritableTensor] => [
    name,
    { shape, ...(name.startsWith("head.") && { type: "F16" }), values: () => values },
  ]);
  await writeTensors(exitsTensors(folder), new Map(tensors));
  await writeJson(exitsJson(folder), metadata);
}
