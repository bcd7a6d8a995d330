import path from "node:path";
import { writeWhole } from "../../util/write-whole.ts";
import type { JsonObject } from "../json.ts";

/** Keys of numbers that transformers accepts only as floats. */
const FLOAT = /^( *"\w*(?:softcapping|multiplier|scaling|scale|factor|eps|theta|freq|alpha|limit)": -?\d+)(,?)$/gm;

/** Writes a model's `config.json` whole. @throws UserError if the disk refuses it */
export const writeConfig = (folder: string, config: JsonObject): Promise<void> =>
  writeWhole(path.join(folder, "config.json"), `${JSON.stringify(config, null, 2).replace(FLOAT, "$1.0$2")}\n`);
