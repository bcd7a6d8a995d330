import type { Pooling } from "../../../graph/index.ts";
import { UserError } from "../../../util/errors.ts";
import type { ConfigSource } from "../../../weights/checkpoint.ts";
import type { SentenceSettings } from "./sentence-files.ts";

/** Pooling by the number a GGUF stores (`llama_pooling_type` in llama.h). */
const poolings: Readonly<Record<number, Pooling>> = { 1: "mean", 2: "cls", 3: "last" };
const RANK = 4;

/** Texts as they are, as long as the model bears. */
export const PLAIN: SentenceSettings = {
  pooling: "mean",
  normalise: true,
  limit: undefined,
  prompt: "",
  lowercase: false,
};

/**
 * Reads a GGUF's `pooling_type`; the default is the mean of the token vectors. Vectors have length 1, as in llama.cpp's
 * server.
 * @throws UserError if the file asks for no pooling, or for a head that it lacks
 */
export function sentenceMetadata({ path, metadata }: Extract<ConfigSource, { kind: "gguf" }>): SentenceSettings {
  const key = `${metadata.string("general.architecture")}.pooling_type`;
  const type = metadata.integer(key, 1);
  const pooling = poolings[type];
  if (pooling === undefined)
    throw new UserError(
      type === RANK
        ? `${path}: "${key}" is 4, a classifier, but the file has no tensor "cls.output.weight"`
        : `${path}: "${key}" is ${type}, expected 1 (mean), 2 (the first token's) or 3 (the last token's)`,
    );
  return { ...PLAIN, pooling };
}
