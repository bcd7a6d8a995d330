import { z } from "zod";
import { listOf } from "../../util/list-of.ts";
import { type Limits, MOST_VALUES } from "../limits.ts";

/** The maximum number of answers per request, across all its prompts, since each answer takes a place in the queue. */
export const MOST_ANSWERS = 64;

/** The text to continue, or its token ids. */
export type TextPrompt = string | number[];

/** A schema for a text, token ids, or a list of up to `max` texts or id lists; always parsed to a list. */
export function textsOrIds({ maxPrompt }: Limits, of: string, max: number) {
  const text = z.string().min(1).max(maxPrompt);
  const ids = listOf(z.int().min(0), { of: "token ids", min: 1, max: Math.min(maxPrompt, MOST_VALUES) });
  const several = listOf(z.union([text, ids]), { of, min: 1, max });
  const one = z.union([text, ids]).transform((only): TextPrompt[] => [only]);
  return z.union(
    [one, several],
    `expected a text, token ids from 0 on, or a list of 1 to ${max} texts or id lists, none of them empty`,
  );
}

/** The prompts of one request. */
export const promptsSchema = (limits: Limits) =>
  textsOrIds(limits, "prompts", Math.min(limits.maxTexts, MOST_ANSWERS)).describe(
    `the text to complete, token ids, or a list of either, each completed by itself; at most ${MOST_ANSWERS} answers in all`,
  );
