import type { Answers, EncoderModel, ReadTerms } from "../../engine/encoders/text/encoder-model.ts";
import type { Spent } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";

/** A model that gives every text a logit for each of its labels. */
export interface LabelModel {
  readonly name: string;
  /** A key that is equal for two models if and only if their logits are equal. */
  readonly key: string;
  readonly labels: readonly string[];
  /** Logits of each text, in the order of `labels`. */
  logits(texts: readonly string[], terms?: ReadTerms): Promise<Answers<ArrayLike<number>>>;
  /** The cost of labelling these texts, without running the model. */
  price(texts: readonly string[]): Spent;
}

/**
 * A classifier checkpoint as a `LabelModel`; the caller disposes of it.
 * @throws UserError if it is not a classifier of two labels or more
 */
export function labelModelOf(model: EncoderModel): LabelModel {
  const { classifier, source } = model;
  if (!classifier || classifier.labels.length < 2)
    throw new UserError(`${source.name} is not a classifier of two labels or more`);
  return {
    name: source.name,
    key: source.path,
    labels: classifier.labels,
    logits: (texts, terms) => model.logits(texts, terms),
    price: (texts) => model.price(texts),
  };
}
