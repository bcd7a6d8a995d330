import type { CallForm } from "./forms/form.ts";
import { type AnswerReader, begunOf, type TextAndCalls, type ToolCall } from "./reader.ts";
import type { Tool } from "./tools.ts";

/** After this many closing texts that end no call, an opening is plain text. A call may contain closing texts. */
const MOST_CLOSINGS = 8;

/** Reads calls in a model's own format from an answer. */
export class FormReader implements AnswerReader {
  /** Unread text; it begins with the opening while calls are open. */
  #text = "";
  /** The index after the last closing text that did not end a call. */
  #tried = 0;
  #closings = 0;
  /** White space after calls is not part of the answer's text. */
  #afterCalls = false;

  /** `tools`: the tools that may be called. */
  constructor(
    private readonly form: CallForm,
    private readonly tools: readonly Tool[],
  ) {}

  /** Text that turns out not to be a call is returned as text. */
  push(text: string, last: boolean): TextAndCalls {
    this.#text += text;
    const calls: ToolCall[] = [];
    let free = "";
    for (;;) {
      free += this.#free(last);
      if (!this.#text.startsWith(this.form.open)) return { text: free, calls };
      const found = this.#calls(last);
      if (found) calls.push(...found);
      else if (!last && this.#closings < MOST_CLOSINGS) return { text: free, calls };
      else free += this.#take(this.form.open.length);
      this.#afterCalls = found !== undefined;
    }
  }

  /** Takes the text before the next opening. */
  #free(last: boolean): string {
    const { open } = this.form;
    if (this.#afterCalls) this.#text = this.#text.trimStart();
    const at = this.#text.indexOf(open);
    const free = this.#take(at >= 0 ? at : this.#text.length - (last ? 0 : begunOf(this.#text, open)));
    if (free !== "") this.#afterCalls = false;
    return free;
  }

  /** Takes calls up to the first closing text that ends a call, or up to the answer's end. */
  #calls(last: boolean): readonly ToolCall[] | undefined {
    const { open, close } = this.form;
    const begin = Math.max(this.#tried, open.length);
    for (let at = this.#text.indexOf(close, begin); at >= 0; at = this.#text.indexOf(close, this.#tried)) {
      if (this.#closings === MOST_CLOSINGS) return undefined;
      this.#tried = at + close.length;
      this.#closings++;
      const found = this.#read(this.#text.slice(open.length, at));
      if (!found) continue;
      this.#take(this.#tried);
      return found;
    }
    const found = last && !this.form.needsClose ? this.#read(this.#text.slice(open.length)) : undefined;
    if (found) this.#take(this.#text.length);
    return found;
  }

  /** Reads calls of allowed functions. */
  #read(text: string): readonly ToolCall[] | undefined {
    const found = this.form.read(text, this.tools);
    return found?.every(({ name }) => this.tools.some((tool) => tool.function.name === name)) ? found : undefined;
  }

  #take(length: number): string {
    const text = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    if (length > 0) this.#tried = this.#closings = 0;
    return text;
  }
}
