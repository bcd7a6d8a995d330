import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy, accuracyNormalised } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

const text = z.string();

export const sciq = fromRows({
  name: "sciq",
  summary: "Science questions with a supporting passage: SciQ, validation (arXiv 1707.06209)",
  kind: "choice",
  size: 1000,
  metrics: [accuracy, accuracyNormalised],
  place: splits("sciq/none/validation"),
  row: z.object({
    ...{ question: text, support: text, distractor1: text, distractor2: text, distractor3: text, correct_answer: text },
  }),
  item: ({ support, question, distractor1, distractor2, distractor3, correct_answer }) =>
    afterSpace(
      `${support.trimStart()}\nQuestion: ${question}\nAnswer:`,
      [distractor1, distractor2, distractor3, correct_answer],
      3,
    ),
});
