import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { type Part, textOf } from "./answers.ts";
import { FlatLogprobs } from "./flat-logprobs.ts";
import type { TextPrompt } from "./prompts.ts";

interface ContinuationFields {
  readonly echo?: boolean | null | undefined;
  readonly logprobs?: number | null | undefined;
}

/** Converts one answer, piece by piece, to the format of OpenAI's completions; with `echo`, its prompt comes first. */
export class Continuation {
  #logprobs: FlatLogprobs | undefined;
  #begun = false;

  constructor(
    private readonly prompt: TextPrompt,
    private readonly fields: ContinuationFields,
  ) {}

  of(parts: readonly Part[]) {
    const before = this.#begun ? "" : this.#begin(parts[0]!.tokenizer);
    return { text: before + textOf(parts), logprobs: this.#logprobs?.of(parts) ?? null };
  }

  /** Returns the text before the answer. */
  #begin(tokenizer: Tokenizer): string {
    this.#begun = true;
    const { echo, logprobs } = this.fields;
    const text = typeof this.prompt === "string" ? this.prompt : tokenizer.decode(this.prompt);
    if (typeof logprobs === "number") this.#logprobs = new FlatLogprobs(text, echo === true);
    return echo ? text : "";
  }
}
