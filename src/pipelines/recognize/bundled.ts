import type { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import { bridgeFile, bridgeJson } from "../../engine/images/regions/bridge-file.ts";
import { UserError } from "../../util/errors.ts";
import { bundledFolders } from "../../util/model-folders.ts";
import { readJson } from "../../weights/json-file.ts";
import { modelHash } from "../../weights/sources/index.ts";
import { Recognizer } from "./recognizer.ts";

/**
 * Opens the localiser and the bridge of a folder, or those that the package ships for the model.
 * @throws UserError if there are none for it
 */
export async function openRecognizerOf(model: ImageTextModel, folder?: string): Promise<Recognizer> {
  return Recognizer.open(model, folder ?? (await bundledFor(model)));
}

async function bundledFor({ source }: ImageTextModel): Promise<string> {
  const sha256 = await modelHash(source);
  const found = bundledFolders("recognize", "bridge.json").find(
    (folder) => readJson(bridgeJson(folder), bridgeFile, "a bridge").model.sha256 === sha256,
  );
  if (found !== undefined) return found;
  throw new UserError(
    `${source.name} has no localiser and bridge that name regions; expected clip-tiny, or a folder of \`modicum train regions\``,
  );
}
