import { z } from "zod";
import { mean } from "../../util/mean.ts";
import { editSimilarityOf } from "../metrics/edit.ts";
import type { RecipeSummary, Result } from "../results.ts";

type Answers = readonly Pick<Result, "answer">[];

/** Generated answers' similarity to dense's, item by item; empty for dense itself, and for items of other kinds. */
export function consistencyWith(dense: Answers, results: Answers): Pick<RecipeSummary, "consistency"> {
  if (results === dense) return {};
  const pairs: [own: string, base: string][] = [];
  for (const [i, { answer }] of results.entries()) {
    const [own, base] = [generated.safeParse(answer), generated.safeParse(dense[i]!.answer)];
    if (!own.success || !base.success) return {};
    pairs.push([own.data.text, base.data.text]);
  }
  return {
    consistency: {
      same: mean(pairs.map(([own, base]) => Number(own === base))),
      similarity: mean(pairs.map(([own, base]) => editSimilarityOf(own, base))),
    },
  };
}

/** The share of empty generated answers; empty for items of other kinds. */
export function emptyShare(results: Answers): Pick<RecipeSummary, "empty"> {
  const texts = results.map(({ answer }) => generated.safeParse(answer).data?.text);
  if (texts.some((text) => text === undefined)) return {};
  return { empty: mean(texts.map((text) => Number(text!.trim() === ""))) };
}

const generated = z.object({ text: z.string() });
