import { readFile, stat } from "node:fs/promises";
import { UserError } from "modicum";
import type { Fetcher } from "./fetch/fetch.ts";
import type { PaperFields } from "./paper.ts";
import { LARGEST, parseSource } from "./sources/parse.ts";
import type { Fault, ParseOptions } from "./sources/source.ts";
import type { Put } from "./store/papers.ts";
import type { Store } from "./store.ts";

/** The maximum number of papers per transaction. */
const BATCH = 500;

/** The result of one file or address. */
export interface ImportedSource {
  readonly source: string;
  /** The numbers of papers read, added, changed and unchanged. */
  readonly papers: number;
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly faults: readonly Fault[];
  /** True if the server reports nothing newer. */
  readonly isSame: boolean;
  /** The reason why the source could not be read. */
  readonly failure: string | undefined;
}

const isAddress = (source: string): boolean => /^https?:\/\//i.test(source);

/** Imports a file or address. If it cannot be read, the result says why. */
export async function importSource(
  store: Store,
  source: string,
  fetcher: Fetcher,
  options: ParseOptions,
  signal?: AbortSignal,
): Promise<ImportedSource> {
  try {
    return isAddress(source)
      ? await importAddress(store, source, fetcher, options, signal)
      : await importText(store, source, await fileText(source), options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...resultOf(source, [], []), failure: error.message };
  }
}

async function importAddress(
  store: Store,
  source: string,
  fetcher: Fetcher,
  options: ParseOptions,
  signal?: AbortSignal,
): Promise<ImportedSource> {
  const fetched = await fetcher.fetch(source, await store.fetched.get(source), signal);
  if (!fetched) return { ...resultOf(source, [], []), isSame: true };
  const result = await importText(store, source, fetched.text, options);
  await store.fetched.put(source, fetched.validators);
  return result;
}

async function fileText(path: string): Promise<string> {
  const { size } = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path}: ${error.code === "ENOENT" ? "there is no such file" : error.message}`);
  });
  if (size > LARGEST) throw new UserError(`${path}: ${Math.round(size / 1e6)} MB, expected at most ${LARGEST / 1e6}`);
  return readFile(path, "utf8");
}

async function importText(store: Store, source: string, text: string, options: ParseOptions): Promise<ImportedSource> {
  const { papers, faults } = parsedOf(source, text, options);
  const [first] = faults;
  if (papers.length === 0 && first) throw new UserError(`${source}: no papers in it; ${first.place}: ${first.reason}`);
  const put: Put[] = [];
  for (let at = 0; at < papers.length; at += BATCH) put.push(...(await store.papers.put(papers.slice(at, at + BATCH))));
  return resultOf(source, put, faults);
}

function parsedOf(
  source: string,
  text: string,
  options: ParseOptions,
): { papers: readonly PaperFields[]; faults: readonly Fault[] } {
  try {
    return parseSource(text, options);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${source}: ${error.message}`, error.exitCode) : error;
  }
}

const resultOf = (source: string, put: readonly Put[], faults: readonly Fault[]): ImportedSource => {
  const of = (change: Put["change"]) => put.filter((each) => each.change === change).length;
  return {
    ...{ source, papers: put.length, added: of("added"), changed: of("changed"), unchanged: of("unchanged") },
    ...{ faults, isSame: false, failure: undefined },
  };
};
