import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy } from "../metrics/index.ts";
import { afterSpace } from "./choices.ts";
import { fromRows } from "./from-rows.ts";

const letters = ["A", "B", "C", "D", "E"];

export const commonsenseqa = fromRows({
  name: "commonsenseqa",
  summary: "Common-sense questions, answered by a letter: CommonsenseQA, validation (arXiv 1811.00937)",
  kind: "choice",
  size: 1221,
  metrics: [accuracy],
  place: splits("tau/commonsense_qa/none/validation"),
  row: z.object({
    id: z.string(),
    question: z.string(),
    choices: z.object({ text: z.array(z.string()).length(letters.length) }),
    answerKey: z.enum(["A", "B", "C", "D", "E"]),
  }),
  item({ id, question, choices: { text }, answerKey }) {
    const listed = text.map((choice, i) => `${letters[i]}. ${choice}`);
    const prompt = [`Question: ${question.trim()}`, ...listed, "Answer:"].join("\n");
    return { id, ...afterSpace(prompt, letters, letters.indexOf(answerKey)) };
  },
});
