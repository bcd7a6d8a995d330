import { z } from "zod";
import { isSuffixed, readSuffixed, valuesOf } from "../suffixed.ts";
import type { TextPipeline } from "../text-pipeline.ts";
import { checkVoteOptions, voteOptions } from "./options.ts";

const parts = (model: string) => readSuffixed("vote", model);

export const vote: TextPipeline = {
  name: "vote",
  group: "sampling",
  summary: "draws several short answers and gives the most frequent; as --model MODEL+vote@n=5",
  options: async () => voteOptions,
  naming: {
    is: (model) => isSuffixed("vote", model),
    models: (model) => [parts(model)!.model],
    kind: "a vote of one model's answers",
    form: "MODEL+vote@n=5",
    takers: "`run` and openTextPipeline",
  },
  shows: {
    field: "vote",
    schema: z
      .object({
        drawn: z.int().describe("answers that were drawn"),
        answers: z.array(z.object({ text: z.string(), count: z.int() })).describe("the most frequent first"),
      })
      .describe("of a model MODEL+vote: how its answers were counted"),
  },
  parse(model) {
    const found = parts(model);
    if (!found) return undefined;
    checkVoteOptions(found.values);
    return { roles: { model: found.model }, optionText: found.optionText };
  },
  dense: "model",
  nameOf: ({ model }) => `${model}+vote`,
  async *answer(named, resources, request) {
    const { draw } = await import("./draw.ts");
    yield* draw(named, resources, request, checkVoteOptions(valuesOf("vote", named.optionText)));
  },
};
