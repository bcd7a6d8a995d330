import { z } from "zod";
import { withRanking } from "../../heads/ranking.ts";
import type { Method } from "../method.ts";
import { listReader } from "./lists.ts";
import { LAMBDAS, rankLosses } from "./losses.ts";

const options = z.strictObject({
  loss: z
    .enum(["joint", "lm", "rank"])
    .default("joint")
    .describe("the loss: on the written ranking (lm), on the first letter's logits (rank), or on both (joint)"),
  rule: z
    .enum(["weighted-ranknet", "ranknet", "listnet"])
    .default("weighted-ranknet")
    .describe("the loss on the logits"),
  lambda: z.coerce
    .number()
    .positive()
    .optional()
    .describe("weight of the ranking loss; by default 10 for weighted-ranknet, 1 for ranknet, 0.1 for listnet"),
  words: z.coerce.number().int().min(1).default(48).describe("maximum words read per passage"),
});
export type FirstTraining = z.output<typeof options>;

/** FIRST (Reddy et al., arXiv 2406.15657): trains a reranker to order a list by the logits of its first letter. */
export const first: Method<FirstTraining> = {
  name: "first",
  summary: "train a listwise reranker on the first letter's logits",
  options,
  presets: () => ({
    ...{ lora: { rank: 8 }, tokens: 1024, batch: 1, accumulate: 8 },
    optimizer: { lr: 2e-4 },
    schedule: { name: "cosine", warmup: 10 },
  }),
  readList: ({ words }, tokenizer) => listReader(tokenizer, words),
  objective: ({ loss, rule, lambda = LAMBDAS[rule] }, objective) =>
    loss === "lm"
      ? objective
      : withRanking(objective, { rule: rankLosses[rule], lambda, languageModel: loss === "joint" }),
};
