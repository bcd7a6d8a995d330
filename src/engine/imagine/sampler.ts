import type { samplers } from "./options.ts";

export type SamplerName = (typeof samplers)[number];

/** One step from a time to an earlier one, in shares of an image's variance that are left (ᾱ). */
export interface Step {
  /** The time that the network is told. */
  readonly time: number;
  readonly left: number;
  /** After the step; 1: no noise is left. */
  readonly leftNext: number;
}

/**
 * The steps of a sampler, the noisiest first: times a whole number apart, down to 0, as diffusers' "leading" spacing.
 * `left` is each training step's ᾱ.
 */
export function stepsOf(left: Float64Array, count: number): Step[] {
  const apart = Math.floor(left.length / count);
  return Array.from({ length: count }, (_, i) => {
    const time = (count - 1 - i) * apart;
    return { time, left: left[time]!, leftNext: i === count - 1 ? 1 : left[time - apart]! };
  });
}

const within = (value: number): number => Math.max(-1, Math.min(1, value));

/** An image's pixels without the noise that a network predicts in them, kept within −1 and 1. */
const cleaned = (x: number, noise: number, left: number): number =>
  within((x - Math.sqrt(1 - left) * noise) / Math.sqrt(left));

/** The next pixel by DDIM without randomness (Song et al. 2021, equation 12 with σ = 0). */
function ddim(x: number, noise: number, { left, leftNext }: Step): number {
  return Math.sqrt(leftNext) * cleaned(x, noise, left) + Math.sqrt(1 - leftNext) * noise;
}

/** The next pixel by DDPM (Ho et al. 2020, equation 7), with the posterior's variance. `random` is normal. */
function ddpm(x: number, noise: number, { left, leftNext }: Step, random: () => number): number {
  const kept = left / leftNext;
  const mean =
    (Math.sqrt(leftNext) * (1 - kept) * cleaned(x, noise, left) + Math.sqrt(kept) * (1 - leftNext) * x) / (1 - left);
  const variance = ((1 - leftNext) / (1 - left)) * (1 - kept);
  return leftNext === 1 ? mean : mean + Math.sqrt(variance) * random();
}

/** Puts an image one step on, in place. */
export function advance(
  sampler: SamplerName,
  x: Float32Array,
  noise: Float32Array,
  step: Step,
  random: () => number,
): void {
  for (let i = 0; i < x.length; i++)
    x[i] = sampler === "ddim" ? ddim(x[i]!, noise[i]!, step) : ddpm(x[i]!, noise[i]!, step, random);
}

/** Noise of a class against that of none: unconditional + weight · (conditional − unconditional), in `conditional`. */
export function guide(conditional: Float32Array, unconditional: Float32Array, weight: number): void {
  for (let i = 0; i < conditional.length; i++)
    conditional[i] = unconditional[i]! + weight * (conditional[i]! - unconditional[i]!);
}
