import path from "node:path";
import { writeWhole } from "../../util/write-whole.ts";
import type { JsonObject } from "../json.ts";

/** Keys for which transformers accepts only floats, or lists of floats. */
const FLOAT =
  /^( *"(?!floor_scale)\w*(?:softcapping|multipliers?|scaling|scale|factor|eps|theta|freq|alpha|limit|noise|dropout)": )(\[[^\]]*\]|-?\d+)(?=,?$)/gm;
const WHOLE = /(?<![\d.e-])-?\d+(?![\d.e])/g;

/** A placeholder for infinity, the value of some limits, which JSON lacks; Python reads and writes `Infinity`. */
const INFINITY = "\0";
const marked = (_: string, value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? INFINITY : value);

/** Writes a model's `config.json` atomically. @throws UserError if writing fails */
export const writeConfig = (folder: string, config: JsonObject): Promise<void> =>
  writeWhole(path.join(folder, "config.json"), `${textOf(config)}\n`);

const textOf = (config: JsonObject): string =>
  JSON.stringify(config, marked, 2)
    .replaceAll(JSON.stringify(INFINITY), "Infinity")
    .replace(FLOAT, (_, key, value) => key + value.replace(WHOLE, "$&.0"));
