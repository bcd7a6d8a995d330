import { z } from "zod";
import { requests } from "../data/olmo.ts";
import { greedyMatch, perplexityOfContinuation } from "../metrics/index.ts";
import { fromRows } from "./from-rows.ts";

export const lambada = fromRows({
  name: "lambada",
  summary: "The last word of a passage: LAMBADA, test in OpenAI's version (arXiv 1606.06031)",
  kind: "continuation",
  size: 5153,
  metrics: [greedyMatch, perplexityOfContinuation],
  place: requests("lambada/bpb_0shot"),
  row: z.object({
    native_id: z.int(),
    request: z.object({ context: z.string(), continuation: z.string() }),
  }),
  item: ({ native_id, request: { context, continuation } }) => ({ id: String(native_id), context, continuation }),
});
