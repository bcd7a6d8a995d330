import { copyFile, rm } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { companionsIn } from "../../weights/companions.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { TrainOptions } from "../options.ts";
import type { Subject } from "../subject/subject.ts";
import type { LabTasks, TaskScore, TaskScorer, WrittenModel } from "./tasks.ts";

/** The folder with the weights to score; if a killed run leaves it behind, the next evaluation removes it. */
const folderOf = (out: string): string => path.join(out, "scored.part");

/** Opens the scorer of a run's lab tasks, if any. @throws UserError */
export async function openScorer(
  options: Pick<TrainOptions, "tasks" | "taskLimit">,
  labTasks: LabTasks | undefined,
  tokenizer: Pick<Tokenizer, "encode" | "addBos"> | undefined,
): Promise<TaskScorer | undefined> {
  if (options.tasks.length === 0) return undefined;
  if (!labTasks) throw new UserError("tasks: train was given no lab to score tasks with; omit tasks", 2);
  if (!tokenizer) throw new Error("a model without a tokenizer cannot be scored on tasks");
  return labTasks.open(options, (text) => tokenizer.encode(text).length + Number(tokenizer.addBos));
}

/** Scores a run's current weights, which `write` writes to a temporary folder in the run's folder. @throws UserError */
export async function scoreWritten(
  out: string,
  write: (folder: string) => Promise<WrittenModel>,
  scorer: TaskScorer,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, TaskScore>>> {
  const folder = folderOf(out);
  await forgetScored(out);
  try {
    makeFolders(folder);
    return await scorer.score(await write(folder), signal);
  } catch (error) {
    throw writeError(error, folder);
  } finally {
    await forgetScored(out);
  }
}

/** Writes a run's model or adapter into a folder. */
export async function writeSubject(
  subject: Pick<Subject, "write">,
  { model, lora, quant }: TrainOptions,
  { out, folder }: { readonly out: string; readonly folder: string },
): Promise<WrittenModel> {
  // A new model's tokenizer is in the run's folder.
  for (const file of companionsIn(out)) await copyFile(file, path.join(folder, path.basename(file)));
  await subject.write(folder);
  return { folder, base: lora && model, quant };
}

/** Removes leftovers of a killed evaluation. */
export const forgetScored = (out: string): Promise<void> => rm(folderOf(out), { recursive: true, force: true });
