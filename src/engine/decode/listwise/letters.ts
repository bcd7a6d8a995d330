import { UserError } from "../../../util/errors.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { finite } from "../../not-finite.ts";

/** Capital letters. */
export const MOST_LETTERS = 26;

/** The identifier of the passage at an index in the prompt. */
export const letterOf = (place: number): string => String.fromCharCode(65 + place);

/** Token ids by letter: all tokens that consist of the letter alone, with or without spaces. */
export type Letters = readonly (readonly number[])[];

/** The tokens of the first `count` letters. @throws UserError if a letter is not a token */
export function lettersOf(tokenizer: Tokenizer, count: number): Letters {
  const all = cache.get(tokenizer) ?? allLetters(tokenizer);
  cache.set(tokenizer, all);
  const letters = all.slice(0, count);
  const missing = letters.findIndex((ids) => ids.length === 0);
  if (missing < 0) return letters;
  throw new UserError(`${tokenizer.path}: the letter ${letterOf(missing)} is not a token; "first" ranks by letters`);
}

/** Each vocabulary is searched once. */
const cache = new WeakMap<Tokenizer, Letters>();

function allLetters(tokenizer: Tokenizer): Letters {
  const letters: number[][] = Array.from({ length: MOST_LETTERS }, () => []);
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const bytes = tokenizer.bytes(id);
    if (bytes.length > 4 || tokenizer.isSpecial(id)) continue;
    const place = placeOf(Buffer.from(bytes).toString("latin1").trim());
    if (place !== undefined) letters[place]!.push(id);
  }
  return letters;
}

const placeOf = (text: string): number | undefined => (/^[A-Z]$/.test(text) ? text.charCodeAt(0) - 65 : undefined);

/**
 * The scores of the first `count` letters: the greatest logit among each letter's tokens.
 * @throws NotFinite if a score is not finite
 */
export function scoresOf(logits: ArrayLike<number>, letters: Letters, count: number): number[] {
  return letters.slice(0, count).map((ids) => {
    const score = ids.reduce((best, id) => Math.max(best, logits[id]!), Number.NEGATIVE_INFINITY);
    // Infinity minus itself is NaN.
    finite([score - score], "a letter's logit");
    return score;
  });
}
