import { z } from "zod";
import { choice } from "../../../savings/option-schemas.ts";
import type { Method } from "../method.ts";
import { ActiveGrpo } from "./active.ts";
import { scales } from "./advantages.ts";
import { promptData } from "./data.ts";
import { byAdvantage } from "./head.ts";
import { openReward } from "./rewards.ts";

const options = z.strictObject({
  reward_funcs: z
    .preprocess((value) => (typeof value === "string" ? [value] : value), z.array(z.string()).min(1).default(["exact"]))
    .describe("exact, pattern, schema, or a module that exports a function; rewards in a list are summed"),
  num_generations: z.coerce
    .number()
    .int()
    .min(2)
    .default(8)
    .describe("completions per prompt, sampled at temperature 1; batch must be a multiple of this"),
  max_completion_length: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe("maximum number of tokens per completion (default: the rest of its row)"),
  scale_rewards: choice(scales)
    .default("group")
    .describe("divide advantages by the standard deviation of the rewards in the group, in the batch, or not at all"),
});
export type GrpoOptions = z.output<typeof options>;

/** GRPO (Shao et al., arXiv 2402.03300): learns from rewards for completions that the model samples during training. */
export const grpo: Method<GrpoOptions> = {
  name: "grpo",
  summary: "learn from rewards for completions that the model samples",
  options,
  presets: () => ({ lora: { rank: 8 }, optimizer: { lr: 1e-4, weightDecay: 0 }, validation: 0 }),
  openData: async ({ reward_funcs, num_generations }, host, files) =>
    promptData(host, files, num_generations, await Promise.all(reward_funcs.map(openReward))),
  objective: (_, objective) => byAdvantage(objective),
  open: (own, host) => new ActiveGrpo(own, host),
};
