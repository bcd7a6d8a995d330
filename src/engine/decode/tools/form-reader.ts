import type { CallForm } from "./forms/form.ts";
import { type AnswerReader, begunOf, type Read, type ToolCall } from "./reader.ts";
import type { Tool } from "./tools.ts";

/** Reads calls in a model's own form out of an answer. */
export class FormReader implements AnswerReader {
  /** Text that is not read yet; it begins with the opening while calls are open. */
  #text = "";
  /** The place behind the closings that ended no call. */
  #tried = 0;
  /** White space after calls is no text of the answer. */
  #afterCalls = false;

  constructor(
    private readonly form: CallForm,
    private readonly tools: readonly Tool[],
  ) {}

  /** Text that turns out to be no call stays text. */
  push(text: string, last: boolean): Read {
    this.#text += text;
    const calls: ToolCall[] = [];
    let free = "";
    for (;;) {
      free += this.#free(last);
      if (!this.#text.startsWith(this.form.open)) return { text: free, calls };
      const found = this.#calls(last);
      if (found) calls.push(...found);
      else if (!last) return { text: free, calls };
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

  /** Takes calls up to the first closing that ends some, or up to the answer's end. */
  #calls(last: boolean): readonly ToolCall[] | undefined {
    const { open, close } = this.form;
    const begin = Math.max(this.#tried, open.length);
    for (let at = this.#text.indexOf(close, begin); at >= 0; at = this.#text.indexOf(close, this.#tried)) {
      this.#tried = at + close.length;
      const found = this.form.read(this.#text.slice(open.length, at), this.tools);
      if (!found) continue;
      this.#take(this.#tried);
      return found;
    }
    const found = last ? this.form.read(this.#text.slice(open.length), this.tools) : undefined;
    if (found) this.#take(this.#text.length);
    return found;
  }

  #take(length: number): string {
    const taken = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    if (length > 0) this.#tried = 0;
    return taken;
  }
}
