import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy, accuracyNormalised } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

export const hellaswag = fromRows({
  name: "hellaswag",
  summary: "How a scene continues: HellaSwag, validation (arXiv 1905.07830)",
  kind: "choice",
  size: 10_042,
  metrics: [accuracyNormalised, accuracy],
  place: splits("hellaswag/none/validation"),
  row: z.object({
    activity_label: z.string(),
    ctx_a: z.string(),
    ctx_b: z.string(),
    endings: z.array(z.string()),
    label: z.coerce.number(),
  }),
  item: ({ activity_label, ctx_a, ctx_b, endings, label }) =>
    afterSpace(tidy(`${activity_label}: ${ctx_a} ${capitalised(ctx_b)}`), endings.map(tidy), label),
});

/** Removes WikiHow's leftover markup, as lm-evaluation-harness does. */
const tidy = (text: string): string =>
  text
    .trim()
    .replaceAll(" [title]", ". ")
    .replace(/\[.*?\]/g, "")
    .replaceAll("  ", " ");

/** Capitalises like Python: the first letter upper case, all others lower case. */
const capitalised = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase();
