import { filesOf } from "../../savings/files.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { contentHash } from "../../weights/sources/model-hash.ts";
import type { Result } from "../results.ts";

/** SHA-256 of files and folders, its first sixteen digits, by their paths as a recipe has them. */
export type FileHashes = NonNullable<Result["files"]>;

/** Hashes of the files that a recipe names. @throws UserError if one cannot be read */
export async function fileHashes(recipe: Recipe): Promise<FileHashes> {
  const entries = filesOf(recipe).map(async (file) => [file, await hashOf(file)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

async function hashOf(file: string): Promise<string> {
  const sha256 = await contentHash(file).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: the recipe names it, and it cannot be read (${error.code})`);
  });
  return sha256.slice(0, 16);
}

/** A file whose contents changed, if any; older results have no hashes. */
export const changedFile = (now: FileHashes, then: FileHashes = now): string | undefined =>
  Object.keys(now).find((file) => now[file] !== then[file]);

/** @throws UserError if a recipe's results were made with other contents of the file at `path` */
export function requireUnchanged(path: string, now: FileHashes, held: readonly Result[]): void {
  for (const { recipe, files } of held) {
    const changed = changedFile(now, files);
    if (changed === undefined) continue;
    throw new UserError(
      `${path} holds results of "${recipe}" from before ${changed} was changed; keep the new file under a name of its own, or --force begins anew`,
    );
  }
}
