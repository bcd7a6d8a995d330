import type { Split } from "./place.ts";

/** The extent of a completion: to the end of its line, or of the block that it is in or opens. */
export interface Scope {
  readonly kind: "line" | "block" | "opened block";
  /** The beginning of the completion's first line, from the text before it. */
  readonly begun: string;
  /** The rest of that line, from the text after the place, without surrounding spaces. */
  readonly rest: string;
  /** The next non-empty line. */
  readonly next: string | undefined;
}

/** Closing characters that an editor may have inserted after the cursor. */
const CLOSERS = /^[\s)\]}>"'`;,:]*$/;
const OPENS = /(?:[{([:]|=>)\s*$/;
const CLOSING = /^\s*[)\]}]/;

/**
 * The scope of a completion, as editors with inline completion choose it: one line if text follows it on its line, the
 * rest of a block on an empty line or after an opening bracket or colon, else the rest of the line.
 */
export function scopeOf({ before, after }: Split): Scope {
  const linePrefix = before.slice(before.lastIndexOf("\n") + 1);
  const [rest, ...others] = after.split("\n", 64) as [string, ...string[]];
  const next = others.find((line) => line.trim() !== "");
  return { kind: kindOf(linePrefix, rest), begun: linePrefix, rest: rest.trim(), next };
}

function kindOf(linePrefix: string, rest: string): Scope["kind"] {
  if (!CLOSERS.test(rest)) return "line";
  if (linePrefix.trim() === "") return "block";
  return OPENS.test(linePrefix) && /^(}|$)/.test(rest) ? "opened block" : "line";
}

/** The number of characters after which a completion with this text ends; undefined if it may continue. */
export function endIn(text: string, scope: Scope): number | undefined {
  const [first, ...others] = text.split("\n") as [string, ...string[]];
  if (others.length === 0) return undefined;
  if (scope.kind === "line") return first.length;
  const base = indent(scope.begun + first);
  let [end, last] = [first.length, scope.begun + first];
  for (const [i, line] of others.entries()) {
    const whole = i < others.length - 1;
    switch (verdict(line, whole, { scope, base, last })) {
      case "ends before it":
        return end;
      case "ends with it":
        return end + 1 + line.length;
      case "goes on":
        end += 1 + line.length;
        if (line.trim() !== "") last = line;
    }
  }
  return undefined;
}

interface Around {
  readonly scope: Scope;
  /** Indentation of the completion's first line. */
  readonly base: number;
  /** The last line with content. */
  readonly last: string;
}

type Verdict = "goes on" | "ends with it" | "ends before it";

/** `whole`: the line is complete. */
function verdict(line: string, whole: boolean, { scope, base, last }: Around): Verdict {
  if (whole && line.trimEnd() === scope.next?.trimEnd()) return "ends before it";
  if (line.trim() === "")
    return whole && scope.kind === "block" && isSettled(last, base) ? "ends before it" : "goes on";
  const own = indent(line);
  if (own < base) return "ends before it";
  if (scope.kind === "block" || own > base) return "goes on";
  if (!CLOSING.test(line)) return "ends before it";
  return whole ? "ends with it" : "goes on";
}

/** True for a line at block level: a blank line after it separates two parts. */
const isSettled = (line: string, base: number): boolean => indent(line) <= base && !OPENS.test(line);

/** The number of columns of white space at the start of a line; a tab extends to the next multiple of 4. */
function indent(line: string): number {
  let columns = 0;
  for (const character of line) {
    if (character === "\t") columns += 4 - (columns % 4);
    else if (character === " ") columns++;
    else break;
  }
  return columns;
}

/** The completion's text up to its end, without trailing spaces and without text that is already on its line. */
export function trimmed(text: string, scope: Scope): string {
  const own = text.slice(0, endIn(text, scope));
  const { rest } = scope;
  if (rest === "") return own.trimEnd();
  if (/\w/.test(rest)) return own.endsWith(rest) ? own.slice(0, -rest.length) : own;
  return own.slice(0, unmatched(own, rest[0]!));
}

const PAIRS: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** The index of the first bracket `closing` without a matching opening bracket; undefined if all match. */
function unmatched(text: string, closing: string): number | undefined {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === PAIRS[closing]) depth++;
    else if (text[i] === closing && closing in PAIRS && --depth < 0) return i;
  }
  return undefined;
}
