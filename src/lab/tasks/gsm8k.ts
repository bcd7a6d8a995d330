import { z } from "zod";
import { requests } from "../data/olmo.ts";
import { numberMatch } from "../metrics/index.ts";
import { fromRows } from "./from-rows.ts";

export const gsm8k = fromRows({
  name: "gsm8k",
  summary: "School mathematics in words: GSM8K, test (arXiv 2110.14168), after OLMES's worked examples",
  kind: "generation",
  size: 1319,
  metrics: [numberMatch],
  place: requests("gsm8k/gold_bpb_5shot"),
  row: z.object({
    doc: z.object({ id: z.int(), short_answer: z.string() }),
    request: z.object({ context: z.string() }),
  }),
  item: ({ doc: { id, short_answer }, request }) => ({
    id: String(id),
    prompt: request.context,
    stop: ["Question:", "\n\n"],
    maxTokens: 256,
    answers: [short_answer],
  }),
});
