import { readError } from "../util/system-errors.ts";
import { contentHash } from "../weights/sources/model-hash.ts";

/** The first sixteen digits of the SHA-256 of a recipe's file or folder. @throws UserError if it cannot be read */
export async function fileHash(file: string): Promise<string> {
  const sha256 = await contentHash(file).catch((error: unknown) => {
    throw readError(error, file);
  });
  return sha256.slice(0, 16);
}
