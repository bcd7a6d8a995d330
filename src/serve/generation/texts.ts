import { z } from "zod";
import { listOf } from "../../util/list-of.ts";
import type { Limits } from "../limits.ts";

/** A schema for one or several texts. */
export const textsSchema = ({ maxTexts, maxPrompt }: Limits, what: string) => {
  const text = z.string().min(1).max(maxPrompt);
  const several = listOf(text, { of: "texts", min: 1, max: maxTexts });
  const one = text.transform((only) => [only]);
  const expected = `expected a text, or a list of 1 to ${maxTexts} texts, none empty`;
  return z.union([one, several], expected).describe(what);
};
