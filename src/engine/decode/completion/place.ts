import { UserError } from "../../../util/errors.ts";

/** A place in a text in an editor's terms: lines and columns from 1, one column per UTF-16 unit. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A text in two parts, with `\n` at the end of each line. */
export interface Split {
  readonly before: string;
  readonly after: string;
}

/** @throws UserError if the text is empty, or the place is outside the text */
export function checkPlace(text: string, place: Place): void {
  if (text.trim() === "") throw new UserError("the text is empty; there is nothing to complete");
  splitAt(text, place);
}

/**
 * The text before a place, and the text after it. A place inside a character moves to its start.
 * @throws UserError if the place is outside the text
 */
export function splitAt(text: string, { line, column }: Place): Split {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const own = lines[line - 1];
  if (own === undefined) throw new UserError(`there is no line ${line}; the last line is ${lines.length}`);
  const last = own.length + 1;
  if (column > last) throw new UserError(`there is no column ${column} in line ${line}; its last column is ${last}`);
  const at = isLowSurrogate(own, column - 1) ? column - 2 : column - 1;
  return {
    before: [...lines.slice(0, line - 1), own.slice(0, at)].join("\n"),
    after: [own.slice(at), ...lines.slice(line)].join("\n"),
  };
}

const isLowSurrogate = (text: string, at: number): boolean => /[\uDC00-\uDFFF]/.test(text[at] ?? "");
