import { CLOSE, OPEN } from "./tools.ts";

/** A function call, with its arguments as JSON. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: string;
}

export interface TextAndCalls {
  /** The part of the text outside calls that is certain. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** Reads an answer as its text arrives. */
export interface AnswerReader {
  /** `last`: no text follows. */
  push(text: string, last: boolean): TextAndCalls;
}

/** Reads calls between `<tool_call>` and `</tool_call>` from an answer. */
export class CallReader implements AnswerReader {
  /** Unread text; it begins with a call's opening tag while a call is open. */
  #text: string;
  /** White space after a call does not belong to the answer's text. */
  #afterCall = false;

  /** `begun`: the answer begins inside a call. */
  constructor(begun: boolean) {
    this.#text = begun ? OPEN : "";
  }

  /** Text that turns out not to be a call is returned as text. */
  push(text: string, last: boolean): TextAndCalls {
    this.#text += text;
    const calls: ToolCall[] = [];
    let free = "";
    for (;;) {
      free += this.#free(last);
      const written = this.#takeCall(last);
      if (written === undefined) return { text: free, calls };
      const call = parsed(written.slice(OPEN.length, written.endsWith(CLOSE) ? -CLOSE.length : undefined));
      if (call) calls.push(call);
      else free += written;
      this.#afterCall = call !== undefined;
    }
  }

  /** Takes the text before the next call. */
  #free(last: boolean): string {
    if (this.#afterCall) this.#text = this.#text.trimStart();
    const at = this.#text.indexOf(OPEN);
    const until = at >= 0 ? at : this.#text.length - (last ? 0 : begunOf(this.#text, OPEN));
    const free = this.#text.slice(0, until);
    this.#text = this.#text.slice(until);
    if (free !== "") this.#afterCall = false;
    return free;
  }

  /** Takes one complete call, from its opening to its end; undefined if no call is complete. */
  #takeCall(last: boolean): string | undefined {
    if (!this.#text.startsWith(OPEN)) return undefined;
    const end = closeOf(this.#text, last);
    if (end < 0 && !last) return undefined;
    const written = end < 0 ? this.#text : this.#text.slice(0, end + CLOSE.length);
    this.#text = this.#text.slice(written.length);
    return written;
  }
}

/** JSON up to a call's end tag; a string in it may contain the tag. */
const CALL = /^(?:[^"<]|"(?:[^"\\]|\\.)*"|<(?!\/tool_call>))*(?=<\/tool_call>)/s;

/** The end of the call at the start of `text`; -1 if it has not arrived yet. */
function closeOf(text: string, last: boolean): number {
  const plain = text.indexOf(CLOSE);
  const length = plain < 0 ? undefined : CALL.exec(text)?.[0].length;
  // Text with unmatched quotes is not JSON: the first closing tag counts.
  return length ?? (last ? plain : -1);
}

/** The number of characters at the end of `text` that may begin `word`. */
export function begunOf(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length--)
    if (word.startsWith(text.slice(-length))) return length;
  return 0;
}

function parsed(text: string): ToolCall | undefined {
  try {
    const { name, arguments: args } = JSON.parse(text) as { name?: unknown; arguments?: unknown };
    return typeof name === "string" ? { name, arguments: JSON.stringify(args ?? {}) } : undefined;
  } catch {
    return undefined;
  }
}
