import { mean } from "../../../util/mean.ts";

export const scales = ["group", "batch", "none"] as const;

/** The standard deviation with Bessel's correction, as in TRL; 0 for one value. */
export function deviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / Math.max(1, values.length - 1));
}

/** True if all rewards in a group are equal; advantages must then be 0, even if the mean is rounded. */
export const isUniform = (group: readonly number[]): boolean => group.every((reward) => reward === group[0]);

/** Rewards minus the group's mean, over a standard deviation (Shao et al., arXiv 2402.03300; as in TRL 1.16). */
export function advantagesOf(groups: readonly (readonly number[])[], scale: (typeof scales)[number]): number[][] {
  const overall = deviation(groups.flat());
  return groups.map((group) => {
    if (isUniform(group)) return group.map(() => 0);
    const divisor = scale === "none" ? 1 : (scale === "group" ? deviation(group) : overall) + 1e-4;
    const center = mean(group);
    return group.map((reward) => (reward - center) / divisor);
  });
}
