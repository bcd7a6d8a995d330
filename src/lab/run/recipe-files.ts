import { fileHash } from "../../savings/file-hash.ts";
import { filesOf } from "../../savings/files.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Result } from "../results.ts";

/** SHA-256 of files and folders, the first sixteen digits, by their paths in a recipe. */
export type FileHashes = NonNullable<Result["files"]>;

/** Hashes of the files that a recipe names. @throws UserError if one cannot be read */
export async function fileHashes(recipe: Recipe): Promise<FileHashes> {
  const entries = filesOf(recipe).map(async (file) => [file, await fileHash(file)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** A file whose contents changed, if any; older results have no hashes. */
const changedFile = (now: FileHashes, then: FileHashes = now): string | undefined =>
  Object.keys(now).find((file) => now[file] !== then[file]);

/** @throws UserError if a recipe's results came from other contents of the file at `path` */
export function requireUnchanged(path: string, now: FileHashes, held: readonly Result[]): void {
  for (const { recipe, files } of held) {
    const changed = changedFile(now, files);
    if (changed === undefined) continue;
    throw new UserError(
      `${path} holds results of "${recipe}" with an older ${changed}; rename the new file, or --force starts over`,
    );
  }
}

/** @throws UserError if the recipe's files differ from the files of the worker's run */
export async function requireFiles(recipe: Recipe, hashes: FileHashes): Promise<void> {
  const changed = changedFile(hashes, await fileHashes(recipe));
  if (changed !== undefined) throw new UserError(`${changed} has different contents here than in the run`);
}
