import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { readJson } from "../../weights/json-file.ts";
import { differences } from "../checkpoint/differences.ts";
import { type TrainOptions, trainOptions } from "../options.ts";

/** The file of a run's options. A folder with it holds a run. */
export const optionsFile = (out: string): string => path.join(out, "run.json");
/** The file of a run's receipt. A folder with it holds a run that is done. */
export const receiptFile = (out: string): string => path.join(out, "receipt.json");

/** Options of the run that a folder holds. @throws UserError if it holds none */
export function optionsOf(out: string): TrainOptions {
  const file = optionsFile(out);
  if (!existsSync(file)) throw new UserError(`${out} holds no training run`);
  return readJson(file, trainOptions, "a training run's options");
}

/** True if a folder holds these options' run, and it is done. @throws UserError if it holds a run of other options */
export function isDone(out: string, options: TrainOptions): boolean {
  if (!existsSync(optionsFile(out))) return false;
  const changed = differences(options, optionsOf(out));
  if (changed.length > 0)
    throw new UserError(`${out}: the run was begun with other options: ${changed.join("; ")}; take another --out`);
  return existsSync(receiptFile(out));
}
