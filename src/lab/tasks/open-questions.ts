import { z } from "zod";
import { requests, splits } from "../data/olmo.ts";
import { exactMatch, tokenF1 } from "../metrics/index.ts";
import { fromRows } from "./from-rows.ts";

const answers = z.array(z.string()).nonempty();
const metrics = [exactMatch, tokenF1] as const;

export const triviaqa = fromRows({
  name: "triviaqa",
  summary: "Trivia, closed-book: TriviaQA, validation of the Wikipedia part (arXiv 1705.03551), no examples",
  kind: "generation",
  size: 7993,
  metrics,
  place: splits("trivia_qa/rc.wikipedia.nocontext/validation"),
  row: z.object({
    question: z.string(),
    question_id: z.string(),
    answer: z.object({ value: z.string(), aliases: z.array(z.string()) }),
  }),
  item: ({ question, question_id, answer: { value, aliases } }) => ({
    id: question_id,
    prompt: `Question: ${question}?\nAnswer:`,
    stop: ["\n", ".", ","],
    maxTokens: 24,
    answers: [...new Set([value, ...aliases])],
  }),
});

export const nqOpen = fromRows({
  name: "nq-open",
  summary:
    "Questions to a search engine, closed-book: Natural Questions, 1,000 open questions (arXiv 1906.00300), after OLMES's 5 examples",
  kind: "generation",
  size: 1000,
  metrics,
  place: requests("naturalqs_open/bpb_5shot"),
  row: z.object({
    doc: z.object({ index: z.int(), answers }),
    request: z.object({ context: z.string() }),
  }),
  item: ({ doc: { index, answers }, request: { context } }) => ({
    id: String(index),
    prompt: context,
    stop: ["Question:", "Q:", "\n\n"],
    maxTokens: 50,
    answers,
  }),
});
