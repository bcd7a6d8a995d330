import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

export const boolq = fromRows({
  name: "boolq",
  summary: "Yes-or-no questions on a passage: BoolQ, validation (arXiv 1905.10044)",
  kind: "choice",
  size: 3270,
  metrics: [accuracy],
  place: splits("boolq/none/validation"),
  row: z.object({ passage: z.string(), question: z.string(), answer: z.boolean() }),
  item: ({ passage, question, answer }) =>
    afterSpace(`${passage}\nQuestion: ${question}?\nAnswer:`, ["no", "yes"], answer ? 1 : 0),
});
