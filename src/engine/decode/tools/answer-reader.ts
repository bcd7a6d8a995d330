import { type CallOptions, chosenOf, isForced } from "./calling.ts";
import { FormReader } from "./form-reader.ts";
import type { CallForm, ForcedCall } from "./forms/form.ts";
import { type AnswerReader, CallReader, type TextAndCalls } from "./reader.ts";
import type { Tool } from "./tools.ts";
import { WholeCall } from "./whole-call.ts";

/**
 * The reader for calls in an answer; undefined if the answer may contain none. `form`: the model's own call format, if
 * unusual.
 */
export function answerReader(
  { tools = [], toolChoice = "auto" }: CallOptions,
  form?: CallForm,
): AnswerReader | undefined {
  const chosen = chosenOf(tools, toolChoice);
  if (chosen.length === 0) return undefined;
  if (!isForced(toolChoice)) return new FreeReader(chosen, form);
  const forced = form?.forced?.(chosen);
  return forced ? new ForcedReader(forced) : new CallReader(true);
}

/** Reads an answer that is one call in a model's own format. */
class ForcedReader implements AnswerReader {
  #text = "";

  constructor(private readonly forced: ForcedCall) {}

  push(text: string, last: boolean): TextAndCalls {
    this.#text += text;
    if (!last) return { text: "", calls: [] };
    const call = this.forced.read(this.#text);
    return call ? { text: "", calls: [call] } : { text: this.#text, calls: [] };
  }
}

/** Reads an answer that is text, calls or both, or one bare call. It holds text back only while the answer may be a bare call. */
export class FreeReader implements AnswerReader {
  readonly #calls: AnswerReader;
  #whole: WholeCall | undefined;
  #held = "";

  constructor(tools: readonly Tool[], form?: CallForm) {
    this.#calls = form ? new FormReader(form, tools) : new CallReader(false);
    this.#whole = new WholeCall(tools);
  }

  push(text: string, last: boolean): TextAndCalls {
    if (!this.#whole) return this.#calls.push(text, last);
    this.#held += text;
    const may = this.#whole.push(text);
    if (may && !last) return { text: "", calls: [] };
    const call = may ? this.#whole.call : undefined;
    this.#whole = undefined;
    return call ? { text: "", calls: [call] } : this.#calls.push(this.#held, last);
  }
}
