import { isEncoder, isSeq2Seq, openDecoder } from "../models/registry.ts";
import { checkSeams, type Recipe } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import { preparedFolder, type ResolvedModel } from "../weights/sources/index.ts";

/** What loading a model under a recipe would find out of their going together, by little more than its file's header. @throws UserError */
export async function checkSavings({ name, path, sha256 }: ResolvedModel, recipe: Recipe): Promise<void> {
  checkSeams(recipe);
  if (recipe.length === 0) return;
  const checkpoint = openCheckpoint(path);
  refuseSeamless(name, checkpoint, recipe);
  const { decoder, weights } = openDecoder(checkpoint, preparedFolder(path));
  try {
    for (const { saving, options } of recipe) await saving.check(options, { decoder, sha256 });
  } finally {
    weights.abandon();
  }
}

/** @throws UserError for savings in a model that has no seam */
export function refuseSeamless(name: string, checkpoint: Checkpoint, recipe: Recipe): void {
  const encodes = isEncoder(checkpoint);
  if (recipe.length === 0 || (!encodes && !isSeq2Seq(checkpoint))) return;
  throw new UserError(
    `${name} ${encodes ? "is" : "has"} an encoder, and no saving has a seam in it: "${recipe[0]!.text}" cannot act`,
  );
}
