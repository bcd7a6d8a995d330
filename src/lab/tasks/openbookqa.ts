import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy, accuracyNormalised } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

export const openbookqa = fromRows({
  name: "openbookqa",
  summary: "Elementary science with an additional fact: OpenBookQA, validation (arXiv 1809.02789)",
  kind: "choice",
  size: 500,
  metrics: [accuracyNormalised, accuracy],
  place: splits("openbookqa/main/validation"),
  row: z.object({
    id: z.string(),
    question_stem: z.string(),
    choices: z.object({ text: z.array(z.string()), label: z.array(z.string()) }),
    answerKey: z.string(),
  }),
  item: ({ id, question_stem, choices: { text, label }, answerKey }) => ({
    id,
    ...afterSpace(question_stem, text, label.indexOf(answerKey.trim())),
  }),
});
