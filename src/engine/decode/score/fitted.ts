import { UserError } from "../../../util/errors.ts";

/** The maximum number of characters per token, except in texts with little content, such as long runs of spaces. */
const CHARACTERS = 16;

/**
 * Returns the ids of `encode(text)`, or of as much of its beginning as fits into `room` tokens.
 * @throws UserError if there is no room
 */
export function fitted(text: string, room: number, encode: (text: string) => number[]): number[] {
  let part = text.slice(0, Math.max(0, room) * CHARACTERS);
  let ids = encode(part);
  while (ids.length > room) {
    if (part === "")
      throw new UserError(`the question about a text takes ${ids.length} tokens, but there is room for only ${room}`);
    // Shortens the part in proportion, by at least one character.
    part = part.slice(0, Math.min(part.length - 1, Math.floor((part.length * room) / ids.length)));
    ids = encode(part);
  }
  return ids;
}
