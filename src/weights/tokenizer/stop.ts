import { UserError } from "../../util/errors.ts";

/** Cuts streamed text before the first complete stop string. Holds back text that may become a stop string. */
export class StopStrings {
  /** The found stop string; text after it is dropped. */
  matched: string | undefined;
  private held = "";

  /** @throws UserError for an empty string, which would stop every text before its first character */
  constructor(private readonly stops: readonly string[]) {
    if (stops.includes("")) throw new UserError("a stop string is empty, expected at least one character");
  }

  /** Returns the text that is now certain. The result does not depend on how calls split the text. */
  push(text: string): string {
    if (this.matched !== undefined) return "";
    const pending = this.held + text;
    const found = this.first(pending);
    if (found === undefined) return this.release(pending, pending.length - this.uncertain(pending));
    this.matched = found.stop;
    return this.release(pending, found.start);
  }

  /** Returns the text held back, if the text ends without a stop string. */
  flush(): string {
    return this.matched === undefined ? this.release(this.held, this.held.length) : "";
  }

  private release(pending: string, length: number): string {
    this.held = this.matched === undefined ? pending.slice(length) : "";
    return pending.slice(0, length);
  }

  /** The stop string that ends first; of several that end together, the longest. */
  private first(text: string): { stop: string; start: number } | undefined {
    const found = this.stops.map((stop) => ({ stop, start: text.indexOf(stop) })).filter(({ start }) => start >= 0);
    const end = (match: { stop: string; start: number }) => match.start + match.stop.length;
    return found.sort((a, b) => end(a) - end(b) || a.start - b.start)[0];
  }

  /** The length of the longest suffix of `text` that begins a stop string. */
  private uncertain(text: string): number {
    return Math.max(0, ...this.stops.map((stop) => overlap(text, stop)));
  }
}

function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
