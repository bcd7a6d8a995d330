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

/** The place of an answer's next token: before the first word, in the reasoning, in the text, or in neither, such as a header. */
type Place = "begin" | "reasoning" | "text" | "aside";

/** True if a format constrains what comes there. */
export const isHeld = (place: Place): boolean => place === "begin" || place === "text";

/** Divides an answer into reasoning and text, as its tokens come. */
export interface PartReader {
  readonly place: Place;
  /** The function whose arguments come there, if calls are apart from the text. */
  readonly call?: string | undefined;
  /** Goes on with the text of a token, or with the name of one that divides. */
  push(text: string, mark?: string): Parts;
  /** Gives the text that was held back, when no token follows. */
  flush(): Parts;
  /** A copy that goes on by itself. */
  fork(): PartReader;
}

/** How the answer to one prompt is divided. */
export interface AnswerForm {
  /** The tokens that divide it, as the vocabulary writes them. */
  readonly marks: ReadonlySet<string>;
  /** True if calls are messages of their own. */
  readonly calls?: true;
  /** A token that may open reasoning in place of the text. */
  readonly opening?: number | undefined;
  /** What ends the reasoning and begins the text, special tokens included. */
  readonly closing: string;
  /** A reader of the answer, from its first token. */
  reader(): PartReader;
}

/** Goes on with a token. The text of the parts has a character for each byte. */
export function advance(reader: PartReader, form: AnswerForm, tokenizer: Tokenizer, id: number): Parts {
  const mark = markOf(form, tokenizer, id);
  const bytes = mark === undefined ? Buffer.from(tokenizer.bytes(id)).toString("latin1") : "";
  return reader.push(bytes, mark);
}

/** The name of a token if it divides the answer; its text is then no part of it. */
export function markOf({ marks }: AnswerForm, tokenizer: Tokenizer, id: number): string | undefined {
  const name = id < tokenizer.vocabSize ? tokenizer.text(id) : "";
  return marks.has(name) ? name : undefined;
}
