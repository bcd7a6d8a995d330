import type { Tokenizer } from "../../../weights/tokenizer/index.ts";

/** The part of an answer that a token adds. */
export interface Parts {
  readonly text: string;
  readonly reasoning: string;
}

export const NOTHING: Parts = { text: "", reasoning: "" };

export const joinedParts = (a: Parts, b: Parts): Parts => ({
  text: a.text + b.text,
  reasoning: a.reasoning + b.reasoning,
});

/**
 * The position of an answer's next token: before the first word, in the reasoning, in the text, or outside both, for
 * example in a header.
 */
type Place = "begin" | "reasoning" | "text" | "aside";

/** True if a format constrains this position. */
export const isHeld = (place: Place): boolean => place === "begin" || place === "text";

/** Divides an answer into reasoning and text, token by token. */
export interface PartReader {
  readonly place: Place;
  /** The function to which these arguments belong, if calls are separate from the text. */
  readonly call?: string | undefined;
  /** Continues with a token's text, or with the name of a dividing token. */
  push(text: string, mark?: string): Parts;
  /** Returns the text held back, if no token follows. */
  flush(): Parts;
  /** An independent copy. */
  fork(): PartReader;
}

/** The division of one prompt's answer into reasoning, text and calls. */
export interface AnswerForm {
  /** The dividing tokens, as the vocabulary spells them. */
  readonly marks: ReadonlySet<string>;
  /** True if calls are separate messages. */
  readonly calls?: true;
  /** A token that may open reasoning instead of text. */
  readonly opening?: number | undefined;
  /** The text that ends the reasoning and begins the answer, including special tokens. */
  readonly closing: string;
  /** A reader for the answer, which begins at its first token. */
  reader(): PartReader;
}

/** Advances the reader by a token. The parts' text has one character per byte. */
export function advance(reader: PartReader, form: AnswerForm, tokenizer: Tokenizer, id: number): Parts {
  const mark = markOf(form, tokenizer, id);
  const bytes = mark === undefined ? Buffer.from(tokenizer.bytes(id)).toString("latin1") : "";
  return reader.push(bytes, mark);
}

/** A token's name if it divides the answer; its text is then not part of the answer. */
export function markOf({ marks }: AnswerForm, tokenizer: Tokenizer, id: number): string | undefined {
  const name = id < tokenizer.vocabSize ? tokenizer.text(id) : "";
  return marks.has(name) ? name : undefined;
}
