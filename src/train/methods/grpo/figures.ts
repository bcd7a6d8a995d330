import { mean } from "../../../util/mean.ts";
import { deviation, isUniform, type scales } from "./advantages.ts";
import type { Completion } from "./sampling.ts";

/** A step's metrics, under TRL's names. */
export function figuresOf(
  groups: readonly (readonly Pick<Completion, "ids" | "clipped">[])[],
  rewards: readonly (readonly number[])[],
  scale: (typeof scales)[number],
): Readonly<Record<string, number>> {
  const completions = groups.flat();
  const scaled = scale === "batch" ? [rewards.flat()] : rewards;
  return {
    ...{ reward: mean(rewards.flat()), reward_std: deviation(rewards.flat()) },
    frac_reward_zero_std: mean(scaled.map((group) => Number(isUniform(group)))),
    "completions/mean_length": mean(completions.map(({ ids }) => ids.length)),
    "completions/clipped_ratio": mean(completions.map(({ clipped }) => Number(clipped))),
  };
}
