import { existsSync, statSync } from "node:fs";
import { z } from "zod";
import { checked } from "../../../../util/checked.ts";
import { inFile, UserError } from "../../../../util/errors.ts";
import { readText } from "../../../data/files.ts";
import { readTrainedRun, summaryOf } from "../../../report/run.ts";
import type { Point } from "./fit.ts";

const positive = z.number().positive();
const point = z.strictObject({ parameters: positive, tokens: positive, loss: positive });

/**
 * Points of runs' folders, and of files with a line of JSON a point. A run's size is the average of its prunable
 * weights over the steps, its loss the last held-out one. @throws UserError
 */
export const lawPoints = (paths: readonly string[]): Point[] =>
  paths.flatMap((path) => (isFolder(path) ? [pointOf(path)] : pointsIn(path)));

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

function pointOf(folder: string): Point {
  const run = readTrainedRun(folder);
  const { receipt, tokens } = summaryOf(run);
  const parameters = receipt?.work?.["parameters"];
  if (!receipt || !parameters)
    throw new UserError(`${folder}: expected a finished run of the method sparse (sparse:sparsity=0 is a dense one)`);
  const loss = run.steps.findLast(({ validation }) => validation !== undefined)?.validation;
  if (loss === undefined) throw new UserError(`${folder}: expected a run with held-out data`);
  return { parameters: parameters.run / receipt.steps, tokens, loss };
}

function pointsIn(file: string): Point[] {
  const lines = readText(file).split("\n");
  return lines.flatMap((line, i) =>
    line.trim() === "" ? [] : [inFile(`${file}:${i + 1}`, () => checked(point, parsed(line)))],
  );
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new UserError("expected a line of JSON");
  }
}
