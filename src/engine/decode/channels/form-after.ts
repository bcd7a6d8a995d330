import { type AnswerMarks, promptEnd, type Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { AnswerForm } from "./answer-form.ts";
import { harmonyForm } from "./harmony.ts";
import { thinkForm } from "./think.ts";

/** A chat encoded in the model's chat format. */
export interface AnsweredPrompt {
  readonly tokenizer: Tokenizer;
  readonly ids: readonly number[];
  /** The part of the answer that the prompt already contains, at its end. */
  readonly begun: string | undefined;
  /** The function whose call the end of the prompt begins. */
  readonly name: string | undefined;
}

/** The division of a prompt's answer into reasoning, text and calls. */
export function formAfter(marks: AnswerMarks, { tokenizer, ids, begun = "", name }: AnsweredPrompt): AnswerForm {
  switch (marks) {
    case "think":
      return thinkForm(tokenizer, promptEnd(tokenizer, ids), begun);
    case "harmony":
      if (name !== undefined) return harmonyForm({ call: name });
      return harmonyForm(begun.trim() === "" ? undefined : "text");
  }
}
