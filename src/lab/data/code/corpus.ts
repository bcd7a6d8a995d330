import { createHash } from "node:crypto";
import { relative, sep } from "node:path";
import { textOf } from "../../../util/data/bytes.ts";
import { UserError } from "../../../util/errors.ts";
import { dataName, packageFiles, unpackedFolder } from "../../../weights/sources/data-package.ts";
import type { PullOptions } from "../../../weights/sources/plan.ts";
import { Duplicates } from "./duplicates.ts";
import { isSource, isWritten, type Language, type Split, splits } from "./file.ts";
import { checkLicence, isMetadata, licenceIn } from "./licence.ts";
import { type CodePackage, codePackages } from "./packages.ts";

export interface CodeFile {
  /** `package/path`, unique in the corpus. */
  readonly name: string;
  readonly path: string;
  readonly text: string;
  readonly package: string;
  readonly split: Split;
}

/** The maximum number of characters per package, so that no package dominates. */
const MOST: Readonly<Record<Split, number>> = { test: 120_000, validation: 150_000, train: 400_000 };

/**
 * Files of a language's packages in all splits from the test split up to the requested split. No file has a duplicate
 * in an earlier split. Packages are fetched once. @throws UserError if a package's content or licence differs from the
 * list
 */
export async function codeFiles(
  language: Language,
  upTo: Split = "train",
  options: PullOptions = {},
  packages: readonly CodePackage[] = codePackages,
): Promise<CodeFile[]> {
  const duplicates = new Duplicates();
  const files: CodeFile[] = [];
  for (const split of splits.slice(0, splits.indexOf(upTo) + 1))
    for (const each of packages.filter((one) => one.language === language && one.split === split)) {
      const sources = await sourcesOf(each, options);
      checkContent(each, sources);
      files.push(...chosen(sources, each, duplicates));
    }
  return files;
}

interface Source {
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

/** The package's source files, in an order independent of their folders. @throws UserError */
export async function sourcesOf(each: CodePackage, options: PullOptions = {}): Promise<Source[]> {
  const { language, kind, licence } = each;
  const paths = await packageFiles(each, (path) => isSource(language, path) || isMetadata(kind, path), options);
  const folder = unpackedFolder(each);
  const named = paths.map((path) => ({ name: relative(folder, path).split(sep).join("/"), path }));
  const metadata = named.find(({ name }) => isMetadata(kind, name));
  checkLicence(dataName(each), licence, metadata && licenceIn(kind, await textOf(metadata.path)));
  const sources: Source[] = [];
  for (const { name, path } of named)
    if (isSource(language, name)) sources.push({ name, path, text: await textOf(path) });
  return sources.sort((a, b) => (hashOf([a.name]) < hashOf([b.name]) ? -1 : 1));
}

/** Identifies a package's contents. */
export const contentHash = (sources: readonly Source[]): string =>
  hashOf(sources.flatMap(({ name, text }) => [name, text]));

function hashOf(texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
}

function checkContent(each: CodePackage, sources: readonly Source[]): void {
  const hash = contentHash(sources);
  if (hash !== each.content)
    throw new UserError(`${dataName(each)}: its sources have SHA-256 ${hash}, expected ${each.content}`);
}

function chosen(sources: readonly Source[], { package: name, split }: CodePackage, duplicates: Duplicates): CodeFile[] {
  const files: CodeFile[] = [];
  let size = 0;
  for (const { name: path, text, ...rest } of sources) {
    if (size >= MOST[split] || !isWritten(text) || !duplicates.add(text)) continue;
    size += text.length;
    files.push({ ...rest, text, name: `${name}/${path}`, package: name, split });
  }
  return files;
}
