import { existsSync, statSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../../../util/errors.ts";
import { checkedLines } from "../../../data/checked-lines.ts";
import { readTrainedRun, summaryOf } from "../../../report/run.ts";
import type { Point } from "./fit.ts";

const positive = z.number().positive();
const point = z.strictObject({ parameters: positive, tokens: positive, loss: positive });

/**
 * Reads points from runs' folders and from JSON Lines files. A run's size is its number of prunable weights, averaged
 * over the steps; its loss is its last held-out loss. @throws UserError
 */
export const lawPoints = (paths: readonly string[]): Point[] =>
  paths.flatMap((path) => (isFolder(path) ? [pointOf(path)] : checkedLines(path, point)));

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

function pointOf(folder: string): Point {
  const run = readTrainedRun(folder);
  const { receipt, tokens } = summaryOf(run);
  const parameters = receipt?.work?.["parameters"];
  if (!receipt || !parameters)
    throw new UserError(`${folder}: expected a finished run of the method sparse (for a dense run: sparse:sparsity=0)`);
  const loss = run.steps.findLast(({ validation }) => validation !== undefined)?.validation;
  if (loss === undefined) throw new UserError(`${folder}: expected a run with held-out data`);
  return { parameters: parameters.run / receipt.steps, tokens, loss };
}
