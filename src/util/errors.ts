import { distance } from "fastest-levenshtein";

/** A mistake of the caller or of a file: one sentence is shown, never a stack trace. `exitCode` 2 means a usage error. */
export class UserError extends Error {
  override readonly name = "UserError";
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
    /** The wrong part of the call, such as `messages`. */
    readonly param?: string,
  ) {
    super(message);
  }
}

/** A mistake in an option, under the option's library name; each interface shows its own name for the option. */
export class OptionError extends UserError {
  constructor(
    readonly option: string,
    readonly reason: string,
    exitCode: 1 | 2 = 1,
  ) {
    super(`${option} ${reason}`, exitCode);
  }
}

/** One of this program's own files is damaged or unreadable: the request is not at fault. */
export class KeptFault extends UserError {}

/** A prompt is longer than the model's context. */
export class ContextExceeded extends UserError {}

/** The name in `names` closest to `name`, or undefined if none is close enough for a typo. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase());
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** `; did you mean "x"?`, or nothing. */
export function suggest(name: string, names: Iterable<string>): string {
  const near = nearest(name, names);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}

/** `"a", "b", "c" and 5 more`: the first three of many names, and the number of others. */
export function few(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  const more = names.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Puts the file's name in front of errors that `read` throws. */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
}
