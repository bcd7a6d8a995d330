import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { few, UserError } from "../../util/errors.ts";
import { codeOf } from "../../util/system-errors.ts";
import type { Run } from "../report/compare.ts";
import type { RunEntry } from "../report/tables.ts";
import { resultSchema } from "../results.ts";
import { identityFile, resultsFile, summaryFile } from "./folder.ts";
import { heldLines } from "./lines-file.ts";
import { readSummary } from "./pick.ts";

/** A finished run, with all its results. @throws UserError if the folder holds none */
export async function readRun(folder: string): Promise<Run> {
  await requireRun(folder);
  const file = resultsFile(folder);
  if (!existsSync(file))
    throw new UserError(`${folder} has the run's summary without its results: there is no ${file}`);
  return { folder, summary: await readSummary(folder), results: await heldLines(file, resultSchema) };
}

/** @throws UserError if the folder itself holds no finished run; the message names runs below it */
export async function requireRun(folder: string): Promise<void> {
  if (existsSync(summaryFile(folder))) return;
  if (existsSync(identityFile(folder)))
    throw new UserError(`${folder}: the run is unfinished, since there is no summary.json; --resume continues it`);
  const below = existsSync(folder) ? await findRuns(folder) : [];
  const finished = below.filter(({ summary }) => summary !== undefined).map((run) => run.folder);
  throw new UserError(
    `${folder} holds no lab run${finished.length > 0 ? ` itself; name one of the runs below it: ${few(finished)}` : ""}`,
  );
}

/** A grid's runs are one level below its folder, and a folder may hold several grids. */
const DEPTH = 3;

/**
 * The runs in a folder and below it, by path; unreadable folders below are skipped.
 * @throws UserError if the folder itself cannot be read
 */
export async function findRuns(folder: string): Promise<RunEntry[]> {
  return runsBelow(folder, await foldersIn(folder), DEPTH);
}

async function runsBelow(folder: string, below: readonly string[], depth: number): Promise<RunEntry[]> {
  const runs = existsSync(identityFile(folder)) ? [await listed(folder)] : [];
  for (const place of depth > 0 ? below : [])
    runs.push(...(await runsBelow(place, depth > 1 ? await foldersIn(place).catch(() => []) : [], depth - 1)));
  return runs;
}

async function listed(folder: string): Promise<RunEntry> {
  if (!existsSync(summaryFile(folder))) return { folder, summary: undefined };
  try {
    return { folder, summary: await readSummary(folder) };
  } catch (error) {
    if (error instanceof UserError) return { folder, summary: undefined, fault: error.message };
    throw error;
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === "ENOTDIR") throw new UserError(`${folder} is a file, expected a folder of runs`);
    throw new UserError(`cannot read the folder ${folder} (${codeOf(error)})`);
  });
  const below = entries.filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name));
  return below.map(({ name }) => path.join(folder, name)).sort();
}
