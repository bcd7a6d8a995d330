import { jsonOf } from "../../../util/checked.ts";
import { UserError } from "../../../util/errors.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { AnswerForm } from "../channels/answer-form.ts";
import { CallHold } from "./call-hold.ts";
import { compiled, type Format } from "./compile.ts";
import { Constraint, type Hold } from "./constraint.ts";
import { Grammar } from "./grammar.ts";
import { TextHold } from "./text-hold.ts";
import { type Trigger, TriggeredGrammar } from "./triggered.ts";
import { type Vocabulary, vocabularyOf } from "./vocabulary.ts";

export type { Format } from "./compile.ts";
export { Constraint, type Hold } from "./constraint.ts";
export { type Trigger, TriggeredGrammar } from "./triggered.ts";

/** The maximum length of a schema's JSON, in characters. */
export const MOST_SCHEMA: number = 1 << 18;
/** The maximum number of grammars stored per vocabulary; the least recently used one is dropped first. */
const KEPT = 24;

/** The grammar of a format for a model's answers, compiled on first use. */
export class LazyGrammar {
  #grammar: Grammar | undefined;

  constructor(
    private readonly format: Format,
    private readonly vocabulary: Vocabulary,
  ) {}

  get compiled(): boolean {
    return this.#grammar !== undefined;
  }

  /** Compiles the format. @throws UserError if no answer can satisfy it, or it cannot be enforced */
  compile(): Grammar {
    if (this.#grammar) return this.#grammar;
    const { forest, root } = compiled(this.format);
    this.#grammar = new Grammar(forest, root, this.vocabulary);
    return this.#grammar;
  }

  /**
   * Constrains an answer to the format, or only the parts after a trigger; if the model reasons, only the text.
   * @throws UserError like `compile`
   */
  hold(tokenizer: Tokenizer, trigger?: Trigger, form?: AnswerForm): Hold {
    const grammar = this.compile();
    if (trigger && form?.calls) return new CallHold(grammar, form, tokenizer);
    const hold = trigger ? new TriggeredGrammar(grammar, trigger, tokenizer) : new Constraint(grammar);
    if (!form) return hold;
    const after = (begun: Uint8Array) =>
      trigger
        ? new TriggeredGrammar(grammar, trigger, tokenizer)
        : new Constraint(grammar, grammar.afterBytes(grammar.spaced, begun) ?? grammar.spaced);
    return new TextHold({ hold, after, form, tokenizer, required: trigger === undefined });
  }
}

const byVocabulary = new WeakMap<Vocabulary, Map<string, LazyGrammar>>();

/** The grammar of a format. @throws UserError if the format's text is too long */
export async function grammarOf(format: Format, tokenizer: Tokenizer): Promise<LazyGrammar> {
  const vocabulary = await vocabularyOf(tokenizer);
  const grammars = byVocabulary.get(vocabulary) ?? new Map<string, LazyGrammar>();
  byVocabulary.set(vocabulary, grammars);
  const key = keyOf(format);
  const grammar = grammars.get(key) ?? new LazyGrammar(format, vocabulary);
  grammars.delete(key);
  grammars.set(key, grammar);
  if (grammars.size > KEPT) grammars.delete(grammars.keys().next().value!);
  return grammar;
}

function keyOf(format: Format): string {
  if (format instanceof RegExp) return `regex ${format.source}`;
  const text = jsonOf(format) ?? "";
  if (text.length > MOST_SCHEMA)
    throw new UserError(`the schema has ${text.length} characters, expected at most ${MOST_SCHEMA}`);
  return text;
}
