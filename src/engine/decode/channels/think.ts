import { END_THINK, endsInReasoning, THINK, type Tokenizer } from "../../../weights/tokenizer/index.ts";
import { type AnswerForm, NOTHING, type PartReader, type Parts } from "./answer-form.ts";

/** The reader's position; `after` is the white space between reasoning and text, which belongs to neither. */
type State = "begin" | "reasoning" | "after" | "text";

/** Reads an answer that may begin with reasoning between `<think>` and `</think>`; later tags are text. */
export class ThinkReader implements PartReader {
  /** Text that may be part of a tag, or white space at either end of the reasoning. */
  #held = "";
  /** True once the reasoning has any text; leading white space is dropped. */
  #begun = false;

  constructor(private state: State) {}

  get place(): PartReader["place"] {
    return this.state === "after" ? "text" : this.state;
  }

  push(text: string, mark = ""): Parts {
    this.#held += text + mark;
    return this.#read(false);
  }

  flush(): Parts {
    return this.#read(true);
  }

  fork(): ThinkReader {
    const copy = new ThinkReader(this.state);
    copy.#held = this.#held;
    copy.#begun = this.#begun;
    return copy;
  }

  #read(last: boolean): Parts {
    if (this.state === "begin") this.#begin(last);
    const reasoning = this.state === "reasoning" ? this.#reasoning(last) : "";
    if (this.state === "after") this.#held = this.#held.trimStart();
    if (this.state === "after" && this.#held !== "") this.state = "text";
    if (this.state !== "text") return { ...NOTHING, reasoning };
    const text = this.#held;
    this.#held = "";
    return { text, reasoning };
  }

  #begin(last: boolean): void {
    const word = this.#held.trimStart();
    if (word.startsWith(THINK)) {
      this.state = "reasoning";
      this.#held = word.slice(THINK.length);
    } else if (last || !THINK.startsWith(word)) this.state = "text";
  }

  #reasoning(last: boolean): string {
    if (!this.#begun) this.#held = this.#held.trimStart();
    const end = this.#held.indexOf(END_THINK);
    const certain = end >= 0 ? end : this.#held.length - (last ? 0 : begunTag(this.#held));
    const reasoning = this.#held.slice(0, certain).trimEnd();
    if (end >= 0) {
      this.state = "after";
      this.#held = this.#held.slice(end + END_THINK.length);
    } else this.#held = last ? "" : this.#held.slice(reasoning.length);
    this.#begun ||= reasoning !== "";
    return reasoning;
  }
}

/** The number of characters at the end of `text` that may begin the closing tag. */
function begunTag(text: string): number {
  let length = Math.min(text.length, END_THINK.length - 1);
  while (length > 0 && !text.endsWith(END_THINK.slice(0, length))) length--;
  return length;
}

const MARKS: ReadonlySet<string> = new Set([THINK, END_THINK]);
const CLOSING = `\n${END_THINK}\n\n`;

/** The division of a prompt's answer into reasoning and text; `begun`: the answer's text already in the prompt. */
export function thinkForm(tokenizer: Tokenizer, prompt: string, begun: string): AnswerForm {
  const state = stateAfter(prompt, begun);
  const opening = state === "begin" ? (tokenizer.specialId(THINK) ?? tokenizer.tokenId(THINK)) : undefined;
  return { marks: MARKS, opening, closing: CLOSING, reader: () => new ThinkReader(state) };
}

function stateAfter(prompt: string, begun: string): State {
  if (begun.trim() === "") return endsInReasoning(prompt) ? "reasoning" : "begin";
  return begun.lastIndexOf(THINK) > begun.lastIndexOf(END_THINK) ? "reasoning" : "text";
}
