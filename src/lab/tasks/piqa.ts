import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy, accuracyNormalised } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

export const piqa = fromRows({
  name: "piqa",
  summary: "Which of two ways reaches a practical goal: PIQA, validation (arXiv 1911.11641)",
  kind: "choice",
  size: 1838,
  metrics: [accuracy, accuracyNormalised],
  place: splits("piqa/plain_text/validation"),
  row: z.object({ goal: z.string(), sol1: z.string(), sol2: z.string(), label: z.int() }),
  item: ({ goal, sol1, sol2, label }) => afterSpace(`Question: ${goal}\nAnswer:`, [sol1, sol2], label),
});
