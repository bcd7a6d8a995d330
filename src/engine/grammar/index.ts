import { jsonOf } from "../../util/checked.ts";
import { UserError } from "../../util/errors.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { compiled, type Format } from "./compile.ts";
import { Grammar } from "./grammar.ts";
import { type Vocabulary, vocabularyOf } from "./vocabulary.ts";

export type { Format } from "./compile.ts";
export { Constraint, type Hold } from "./constraint.ts";
export type { Grammar } from "./grammar.ts";
export { type Trigger, Triggered } from "./triggered.ts";

/** Characters of a schema's JSON. */
const MOST_TEXT = 1 << 18;
/** Grammars that a vocabulary keeps, the least used going first. */
const KEPT = 24;

const kept = new WeakMap<Vocabulary, Map<string, Grammar>>();

/**
 * The grammar of a format for a model's answers.
 * @throws UserError if no answer can satisfy it, or it cannot be enforced
 */
export async function grammarOf(format: Format, tokenizer: Tokenizer): Promise<Grammar> {
  const vocabulary = await vocabularyOf(tokenizer);
  const grammars = kept.get(vocabulary) ?? new Map<string, Grammar>();
  kept.set(vocabulary, grammars);
  const key = keyOf(format);
  const grammar = grammars.get(key) ?? make(format, vocabulary);
  grammars.delete(key);
  grammars.set(key, grammar);
  if (grammars.size > KEPT) grammars.delete(grammars.keys().next().value!);
  return grammar;
}

function keyOf(format: Format): string {
  if (format instanceof RegExp) return `regex ${format.source}`;
  const text = jsonOf(format) ?? "";
  if (text.length > MOST_TEXT)
    throw new UserError(`the schema has ${text.length} characters, expected at most ${MOST_TEXT}`);
  return text;
}

function make(format: Format, vocabulary: Vocabulary): Grammar {
  const { forest, root } = compiled(format);
  return new Grammar(forest, root, vocabulary);
}
