import { z } from "zod";
import { requests } from "../data/olmo.ts";
import { accuracy, accuracyNormalised } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

/** `query` is "Question: …\nAnswer:", as in lm-evaluation-harness. */
const row = z.object({
  doc: z.object({ id: z.string(), query: z.string(), choices: z.array(z.string()), gold: z.int() }),
});

const arc = (name: string, title: string, folder: string, size: number, metrics: typeof bothWays) =>
  fromRows({
    name,
    summary: `${title} of the AI2 Reasoning Challenge, test (arXiv 1803.05457), no examples`,
    kind: "choice",
    size,
    metrics,
    place: requests(`${folder}/test_rc_5shot`),
    row,
    item: ({ doc: { id, query, choices, gold } }) => ({ id, ...afterSpace(query, choices, gold) }),
  });

const bothWays = [accuracy, accuracyNormalised] as const;
const normalisedFirst = [accuracyNormalised, accuracy] as const;

export const arcEasy = arc("arc-easy", "Easy questions", "arc_easy", 2376, bothWays);
export const arcChallenge = arc("arc-challenge", "Hard questions", "arc_challenge", 1172, normalisedFirst);
