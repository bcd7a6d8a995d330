import { type CallOptions, chosenOf, isForced } from "./calling.ts";
import { type AnswerReader, CallReader, type Read } from "./reader.ts";
import type { Tool } from "./tools.ts";
import { WholeCall } from "./whole-call.ts";

/** The reader of the calls in an answer; undefined if it may have none. */
export function answerReader({ tools = [], toolChoice = "auto" }: CallOptions): AnswerReader | undefined {
  const chosen = chosenOf(tools, toolChoice);
  if (chosen.length === 0) return undefined;
  return isForced(toolChoice) ? new CallReader(true) : new FreeReader(chosen);
}

/**
 * Reads an answer that is text, calls or both, or one call as a whole. It holds text back only while the answer may be
 * such a call.
 */
export class FreeReader implements AnswerReader {
  readonly #calls = new CallReader(false);
  #whole: WholeCall | undefined;
  #held = "";

  constructor(tools: readonly Tool[]) {
    this.#whole = new WholeCall(tools);
  }

  push(text: string, last: boolean): Read {
    if (!this.#whole) return this.#calls.push(text, last);
    this.#held += text;
    const may = this.#whole.push(text);
    if (may && !last) return { text: "", calls: [] };
    const call = may ? this.#whole.call : undefined;
    this.#whole = undefined;
    return call ? { text: "", calls: [call] } : this.#calls.push(this.#held, last);
  }
}
