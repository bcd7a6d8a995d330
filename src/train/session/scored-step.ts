import { copyFile, rm } from "node:fs/promises";
import path from "node:path";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { companionsIn } from "../../weights/companions.ts";
import type { TrainOptions } from "../options.ts";
import type { Subject } from "../subject/subject.ts";
import type { TaskScore, TaskScorer } from "./tasks.ts";

/** The folder of the model that is being scored; a killed run leaves it, and the next evaluation removes it. */
const folderOf = (out: string): string => path.join(out, "scored.part");

/** Scores a run's model as it is: writes it beside the run's files, and removes it. @throws UserError */
export async function scoreSubject(
  subject: Pick<Subject, "write">,
  { model, lora, quant }: TrainOptions,
  out: string,
  scorer: TaskScorer,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, TaskScore>>> {
  const folder = folderOf(out);
  await forgetScored(out);
  try {
    makeFolders(folder);
    // A new model's tokenizer.
    for (const file of companionsIn(out)) await copyFile(file, path.join(folder, path.basename(file)));
    await subject.write(folder);
    return await scorer.score({ folder, base: lora && model, quant }, signal);
  } catch (error) {
    throw writeError(error, folder);
  } finally {
    await forgetScored(out);
  }
}

/** Removes what a killed evaluation has left. */
export const forgetScored = (out: string): Promise<void> => rm(folderOf(out), { recursive: true, force: true });
