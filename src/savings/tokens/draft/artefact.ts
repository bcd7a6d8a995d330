import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { bundledFolders } from "../../../util/model-folders.ts";
import { readJson, sha256 } from "../../../weights/json-file.ts";
import { modelForm } from "../../../weights/prepared/quant.ts";
import type { SavingHost } from "../../seams.ts";

/** `draft.json` in the folder of a draft network, next to `draft.gguf`. */
const draftFile = z.strictObject({
  model: z.strictObject({ name: z.string().min(1), sha256 }),
  /** The form of the model's weights when training read its residual stream. */
  ...modelForm.shape,
  /** The tokens that the network can draft, ascending. */
  tokens: z.array(z.int().min(0)).min(2),
  /** The number of training tokens. */
  trained: z.int().min(0),
});
export type DraftFile = z.output<typeof draftFile>;

const FILE = "draft.json";
const read = (folder: string): DraftFile => readJson(path.join(folder, FILE), draftFile, "a draft network");

/** A draft network on disk. */
export interface StoredDraft {
  /** A GGUF file with one layer, and a matrix that combines a token's embedding and the model's residual stream. */
  readonly weights: string;
  readonly tokens: readonly number[];
}

/** Finds the network in the user's folder, or the one bundled with Modicum. @throws UserError if it is for another model, or none is bundled */
export async function findDraft(file: string | undefined, { hash }: SavingHost): Promise<StoredDraft> {
  const own = await hash();
  const folder = file ?? bundledFolders("draft", FILE).find((each) => read(each).model.sha256 === own);
  if (folder === undefined) throw new UserError("draft: there is no draft network for this model", 2);
  const { model, tokens } = read(folder);
  if (model.sha256 !== own)
    throw new UserError(
      `${path.join(folder, FILE)}: the draft network is for ${model.name} with SHA-256 ${model.sha256.slice(0, 12)}…, but this model has ${own.slice(0, 12)}…`,
    );
  return { weights: path.join(folder, "draft.gguf"), tokens };
}
