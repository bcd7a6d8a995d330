import { z } from "zod";
import { isSuffixed, readSuffixed } from "../suffixed.ts";
import type { TextPipeline } from "../text-pipeline.ts";
import { checkVoteOptions, voteOptions } from "./options.ts";

export const vote: TextPipeline = {
  name: "vote",
  group: "sampling",
  summary: "the most frequent of n answers: --model MODEL+vote@n=5",
  options: async () => voteOptions,
  naming: {
    is: (model) => isSuffixed("vote", model),
    kind: "a vote of one model's answers",
    form: "MODEL+vote@n=5",
    takers: "`run` and openTextPipeline",
  },
  shows: {
    field: "vote",
    schema: z
      .object({
        drawn: z.int().describe("answers drawn"),
        answers: z.array(z.object({ text: z.string(), count: z.int() })).describe("the most frequent first"),
      })
      .describe("for MODEL+vote: how its answers were counted"),
  },
  parse(name) {
    const suffixed = readSuffixed("vote", name);
    if (!suffixed) return undefined;
    const { model, ...options } = suffixed;
    checkVoteOptions(options.values);
    return { roles: { model }, ...options };
  },
  dense: "model",
  nameOf: ({ model }) => `${model}+vote`,
  async *answer(named, resources, request) {
    const { draw } = await import("./draw.ts");
    yield* draw(named, resources, request, checkVoteOptions(named.values));
  },
};
