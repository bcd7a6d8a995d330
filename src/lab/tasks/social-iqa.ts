import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

const text = z.string();

export const socialIqa = fromRows({
  name: "social-iqa",
  summary: "What people do, feel and want next: Social IQa, validation (arXiv 1904.09728)",
  kind: "choice",
  size: 1954,
  metrics: [accuracy],
  place: splits("social_i_qa/none/validation"),
  row: z.object({
    ...{ context: text, question: text, answerA: text, answerB: text, answerC: text },
    label: z.enum(["1", "2", "3"]),
  }),
  item: ({ context, question, answerA, answerB, answerC, label }) =>
    afterSpace(`Q: ${context} ${question}\nA:`, [answerA, answerB, answerC], Number(label) - 1),
});
