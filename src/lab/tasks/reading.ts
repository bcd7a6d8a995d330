import { z } from "zod";
import { requests } from "../data/olmo.ts";
import { exactMatch, tokenF1 } from "../metrics/index.ts";
import { fromRows } from "./from-rows.ts";

const request = z.object({ context: z.string() });
const answers = z.array(z.string()).nonempty();
const metrics = [tokenF1, exactMatch] as const;

export const squad = fromRows({
  name: "squad",
  summary: "Questions on a passage: SQuAD 1.1, 1,000 of validation (arXiv 1606.05250), after OLMES's 5 examples",
  kind: "generation",
  size: 1000,
  metrics,
  place: requests("squad/bpb_5shot"),
  row: z.object({ doc: z.object({ id: z.string(), answers_text: answers }), request }),
  item: ({ doc: { id, answers_text }, request: { context } }) => ({
    id,
    prompt: context,
    stop: ["Title:", "\n\n"],
    maxTokens: 50,
    answers: answers_text,
  }),
});

export const drop = fromRows({
  name: "drop",
  summary:
    "Questions that count, compare and sort facts of a passage: DROP, 1,000 of validation (arXiv 1903.00161), after OLMES's 5 examples",
  kind: "generation",
  size: 1000,
  metrics,
  place: requests("drop/bpb_5shot"),
  // An answer may have several spans; the words of all spans count.
  row: z.object({ doc: z.object({ query_id: z.string(), answers: z.array(answers).nonempty() }), request }),
  item: ({ doc: { query_id, answers }, request: { context } }) => ({
    id: query_id,
    prompt: context,
    stop: ["Passage:", "Question:", "\n\n"],
    maxTokens: 50,
    answers: answers.map((spans) => spans.join(", ")),
  }),
});

export const coqa = fromRows({
  name: "coqa",
  summary:
    "A conversation on a passage, each question after the earlier ones: CoQA, validation (arXiv 1808.07042), OLMES's prompt",
  kind: "generation",
  size: 7983,
  metrics,
  place: requests("coqa/bpb_0shot"),
  row: z.object({ doc: z.object({ id: z.string(), answers }), request }),
  item: ({ doc: { id, answers }, request: { context } }) => ({
    id,
    prompt: context,
    stop: ["\n"],
    maxTokens: 50,
    answers,
  }),
});
