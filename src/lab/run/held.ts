import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Run } from "../report/compare.ts";
import type { Listed } from "../report/tables.ts";
import { identityFile, readIdentity, resultsFile, summaryFile } from "./folder.ts";
import { readSummary } from "./pick.ts";
import { parse } from "./results-file.ts";

/** A run that has come to its end, with all its results. @throws UserError when the folder holds none */
export async function readRun(folder: string): Promise<Run> {
  await readIdentity(folder);
  const file = resultsFile(folder);
  return { folder, summary: await readSummary(folder), results: parse(file, await readFile(file, "utf8")) };
}

/** Folders below a run's own hold nothing; a grid's are one below its folder, and grids may lie side by side in one. */
const DEPTH = 3;

/** The runs in a folder and below it, by path. */
export async function findRuns(folder: string, depth = DEPTH): Promise<Listed[]> {
  if (existsSync(identityFile(folder)))
    return [{ folder, summary: existsSync(summaryFile(folder)) ? await readSummary(folder) : undefined }];
  if (depth === 0) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  const below = entries.filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name));
  const runs: Listed[] = [];
  for (const { name } of below.sort((a, b) => (a.name < b.name ? -1 : 1)))
    runs.push(...(await findRuns(path.join(folder, name), depth - 1)));
  return runs;
}
