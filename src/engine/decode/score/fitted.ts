import { UserError } from "../../../util/errors.ts";

/** The most characters per token, except in texts with little content, such as long runs of spaces. */
const CHARACTERS = 16;

/**
 * The ids of `encode(text)`, or of its beginning that fits into `room` tokens.
 * @throws UserError if there is no room
 */
export function fitted(text: string, room: number, encode: (text: string) => number[]): number[] {
  let kept = text.slice(0, Math.max(0, room) * CHARACTERS);
  let ids = encode(kept);
  while (ids.length > room) {
    if (kept === "")
      throw new UserError(`what is asked of a text takes ${ids.length} tokens, and there is room for ${room}`);
    // Shortens in proportion, by at least one character.
    kept = kept.slice(0, Math.min(kept.length - 1, Math.floor((kept.length * room) / ids.length)));
    ids = encode(kept);
  }
  return ids;
}
