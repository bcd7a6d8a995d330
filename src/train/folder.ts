import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../util/errors.ts";
import { readJson } from "../weights/json-file.ts";
import { type TrainOptions, trainOptions } from "./options.ts";

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
