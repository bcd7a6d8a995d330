import { UserError } from "../util/errors.ts";
import { contentHash } from "../weights/sources/model-hash.ts";

/** The first sixteen digits of the SHA-256 of a recipe's file or folder. @throws UserError if it cannot be read */
export async function fileHash(file: string): Promise<string> {
  const sha256 = await contentHash(file).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: this file of the recipe cannot be read (${error.code})`);
  });
  return sha256.slice(0, 16);
}
