import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { readJson } from "../../weights/json-file.ts";
import { differences } from "../checkpoint/differences.ts";
import { type TrainOptions, trainOptions } from "../options.ts";

/** The file with a run's options; a folder with this file contains a run. */
export const optionsFile = (out: string): string => path.join(out, "run.json");
/** The file with a run's receipt; a folder with this file contains a finished run. */
export const receiptFile = (out: string): string => path.join(out, "receipt.json");

/** Reads the options of a folder's run. @throws UserError if the folder contains no run */
export function optionsOf(out: string): TrainOptions {
  const file = optionsFile(out);
  if (!existsSync(file)) throw new UserError(`${out} contains no training run`);
  return readJson(file, trainOptions, "a training run's options");
}

/** True if a folder contains a finished run with these options. @throws UserError if its run has other options */
export function isDone(out: string, options: TrainOptions): boolean {
  if (!existsSync(optionsFile(out))) return false;
  const changed = differences(options, optionsOf(out));
  if (changed.length > 0)
    throw new UserError(`${out}: the run was begun with different options: ${changed.join("; ")}; use another --out`);
  return existsSync(receiptFile(out));
}
