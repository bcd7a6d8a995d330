import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { UserError } from "../../util/errors.ts";
import { packageFiles, unpackedFolder } from "../../weights/sources/data-package.ts";
import { remoteSource } from "../../weights/sources/data-place.ts";
import type { PullOptions } from "../../weights/sources/plan.ts";
import { codeFiles } from "./code/corpus.ts";
import { languages, splits } from "./code/file.ts";

export interface CorpusFile {
  /** The path within the corpus, with `/`. */
  readonly name: string;
  readonly path: string;
}

/** The corpora that `corpusOf` knows, for a task's description. */
export const CORPUS = "a folder, a package (pypi:NAME, npm:NAME), or the lab's corpus, code:typescript or code:python";

const source = /\.(ts|tsx|mts|js|jsx|mjs|py|go|rs|java|kt|swift|c|h|cc|cpp|hpp|cs|rb|php|scala|lua|sh|sql)$/;
/** Excluded paths: third-party code, compiled output, and declaration files. */
const aside = /(^|\/)(\.[^/]+|node_modules|__pycache__|[^/]+\.min\.js|[^/]+\.d\.[cm]?ts)(\/|$)/;

const isSource = (name: string): boolean => source.test(name) && !aside.test(name);

/**
 * Source files of a folder, a package (`pypi:NAME[==VERSION]`, `npm:NAME[@VERSION]`), or the lab's own corpus of a
 * language (`code:LANGUAGE[:SPLIT]`, by default its test split), sorted by name.
 * @throws UserError
 */
export async function corpusOf(text: string, options: PullOptions = {}): Promise<CorpusFile[]> {
  if (text.startsWith("code:")) return sorted(await listed(text, options));
  const remote = remoteSource(text);
  if (remote === undefined) return sorted(await inFolder(text));
  if (remote.kind === "hf") throw new UserError(`${text}: a corpus is a folder or a package, not a hub repository`, 2);
  const under = remote.path === undefined ? "" : `${remote.path.replace(/\/$/, "")}/`;
  const paths = await packageFiles(remote, (name) => name.startsWith(under) && isSource(name), options);
  return sorted(named(paths, unpackedFolder(remote)));
}

async function listed(text: string, options: PullOptions): Promise<CorpusFile[]> {
  const [, language, split = "test", ...more] = text.split(":");
  const known = isOneOf(languages, language) && isOneOf(splits, split) && more.length === 0;
  if (!known)
    throw new UserError(`${text}: expected code:${languages.join("|")}, optionally with :${splits.join("|:")}`, 2);
  return (await codeFiles(language, split, options)).filter((file) => file.split === split);
}

const isOneOf = <T extends string>(all: readonly T[], text: string | undefined): text is T =>
  all.some((one) => one === text);

const named = (paths: readonly string[], folder: string): CorpusFile[] =>
  paths.map((path) => ({ name: relative(folder, path).split(sep).join("/"), path }));

const sorted = (files: CorpusFile[]): CorpusFile[] => files.sort((a, b) => (a.name < b.name ? -1 : 1));

async function inFolder(folder: string): Promise<CorpusFile[]> {
  if (!existsSync(folder)) throw new UserError(`there is no folder ${folder}`);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => {
    throw new UserError(`${folder} is a file, expected a folder of source files`);
  });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return named(files, folder).filter(({ name }) => isSource(name));
}
