import path from "node:path";
import { readSentenceSettings, type SentenceSettings } from "../../engine/encoders/text/sentence-files.ts";
import { isOfKind } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { TextReading } from "../data/reading.ts";
import { encoderOf, labelsOf } from "../graphs/encoder-model.ts";
import type { TrainOptions } from "../options.ts";
import type { Base } from "./subject.ts";

/** Reads the sentence-transformers settings stored beside a model's weights. @throws UserError */
export function sentenceSettingsOf({ config }: Checkpoint): SentenceSettings {
  const settings = readSentenceSettings(path.dirname(config.path));
  if (settings.dense.length === 0) return settings;
  throw new UserError(`${config.path}: a model with linear layers after its pooling cannot be trained`);
}

/**
 * The way an encoder reads texts, in training as in serving; undefined for decoders.
 * @throws UserError if the options' head does not fit the model
 */
export async function readingOf(
  { head, packing }: TrainOptions,
  base: Base | undefined,
): Promise<TextReading | undefined> {
  if (!base || !isOfKind("encoder", base.checkpoint)) {
    if (head === undefined || head === "lm") return undefined;
    throw new UserError(`head: ${head} needs an encoder, such as minilm; expected lm, or an encoder as the model`, 2);
  }
  const { name, checkpoint, tokenizer } = base;
  if (head === "lm") throw new UserError(`head: ${name} is an encoder, expected classes or embedding, got lm`, 2);
  if (packing) throw new UserError("packing: encoders already run without padding; expected false", 2);
  const settings = sentenceSettingsOf(checkpoint);
  const { context } = (await encoderOf(checkpoint)).config;
  return {
    head,
    labels: await labelsOf(checkpoint),
    read(text, kind, tokens) {
      const [own, most] =
        kind === "embedding" ? [asServed(text, settings), settings.limit ?? context] : [text, context];
      const { ids } = tokenizer.input(own, { limit: Math.min(tokens, most, context) });
      if (ids.length > 0) return Int32Array.from(ids);
      throw new UserError("the text is empty, expected at least one token");
    },
  };
}

const asServed = (text: string, { prompt, lowercase }: SentenceSettings): string =>
  lowercase ? (prompt + text).toLowerCase() : prompt + text;
