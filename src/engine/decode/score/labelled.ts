import { UserError } from "../../../util/errors.ts";
import { activate, type Classification, likeliest } from "../../encoders/text/classifier.ts";
import { encodePair, encoderOf } from "../../encoders/text/encode-pair.ts";
import type { LanguageModel } from "../language-model.ts";
import { fitted } from "./fitted.ts";
import { type Continuations, natsOf, type TokenScore } from "./likelihood.ts";

/** The prompt that asks a language model for a text's label. */
export const labelled = (text: string, label: string) => ({
  context: `Text: ${text}\nLabel:`,
  continuation: ` ${label}`,
});

/**
 * The continuations whose likelihoods decide each text's label; long texts are truncated.
 * @throws UserError for invalid labels
 */
export function labelRequests(
  model: LanguageModel,
  texts: readonly string[],
  labels: readonly string[],
): Continuations[] {
  checkLabels(labels);
  const encoder = encoderOf(model);
  // The end of the prompt, which does not depend on the text.
  const after = (label: string) => encodePair(encoder, { ...labelled("", label), context: "Label:" }).continuation;
  const continuations = labels.map(after);
  const longest = Math.max(...continuations.map(({ length }) => length));
  const room = model.decoder.config.context - longest;
  const encode = (text: string) => encoder.encode(labelled(text, "").context);
  return texts.map((text) => ({ context: fitted(text, room, encode), continuations }));
}

/** @throws UserError for invalid labels */
export function checkLabels(labels: readonly string[]): void {
  const twice = labels.find((label, i) => labels.indexOf(label) < i);
  if (twice !== undefined) throw new UserError(`the label "${twice}" is given twice`, 2);
  if (labels.length === 0 || labels.some((label) => label.trim() === ""))
    throw new UserError("expected labels to choose from, none of them empty", 2);
}

/**
 * A label's score is the likelihood of all its tokens after the text, relative to the other labels: a softmax of the
 * labels' log-likelihoods.
 */
export const classificationOf = (labels: readonly string[], predicted: readonly TokenScore[][]): Classification =>
  likeliest(labels, activate(predicted.map(natsOf), "softmax"));
