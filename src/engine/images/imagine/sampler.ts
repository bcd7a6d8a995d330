import type { SamplingConfig } from "../../../models/image-generator/noise-schedule.ts";
import type { SamplerName } from "./options.ts";

/** One sampling step, with one run of the network. */
export interface RouteStep {
  /** The time input of the network. */
  readonly time: number;
  /** The factor for images before the network reads them. */
  readonly scale: number;
  /** Adds to an image, in place, the noise at which the step begins. */
  noised(x: Float32Array, random: () => number): void;
  /** Advances an image by one step, in place, from the network's output. `random` is normal. */
  advance(x: Float32Array, output: Float32Array, random: () => number): void;
}

/** The steps from noise to images. */
export interface Route {
  /** The standard deviation of the images' initial noise. */
  readonly deviation: number;
  readonly steps: readonly RouteStep[];
}

/** One step from a time to an earlier time, with the share of the image's variance that remains at both times (ᾱ). */
export interface Step {
  /** The time input of the network. */
  readonly time: number;
  readonly signal: number;
  /** The share of the image's variance that remains after the step; 1 if no noise remains. */
  readonly signalNext: number;
}

/** A sampling method: the sampler, and a model's settings for it. */
export interface Sampling extends SamplingConfig {
  readonly sampler: Exclude<SamplerName, "consistency">;
}

/**
 * The steps of a sampler, the noisiest first: times at integer intervals, down to the offset, like diffusers' "leading"
 * spacing. `shares` is ᾱ at each training step.
 */
export function stepsOf(shares: Float64Array, count: number, { sampler, offset, endsClean }: Sampling): Step[] {
  const apart = Math.floor(shares.length / count);
  const last = sampler === "ddpm" || endsClean ? 1 : shares[0]!;
  return Array.from({ length: count }, (_, i) => {
    const time = (count - 1 - i) * apart + offset;
    return { time, signal: shares[time]!, signalNext: shares[time - apart] ?? last };
  });
}

const within = (value: number): number => Math.max(-1, Math.min(1, value));

/** A pixel without the noise predicted by the network. */
function cleaned(x: number, noise: number, { signal }: Step, clips: boolean): number {
  const clean = (x - Math.sqrt(1 - signal) * noise) / Math.sqrt(signal);
  return clips ? within(clean) : clean;
}

/** The next pixel by DDIM without randomness (Song et al. 2021, equation 12 with σ = 0). */
function ddim(clean: number, noise: number, { signalNext }: Step): number {
  return Math.sqrt(signalNext) * clean + Math.sqrt(1 - signalNext) * noise;
}

/** The next pixel by DDPM (Ho et al. 2020, equation 7), with the posterior's variance. `random` is normal. */
function ddpm(x: number, clean: number, { signal, signalNext }: Step, random: () => number): number {
  const ratio = signal / signalNext;
  const mean = (Math.sqrt(signalNext) * (1 - ratio) * clean + Math.sqrt(ratio) * (1 - signalNext) * x) / (1 - signal);
  const variance = ((1 - signalNext) / (1 - signal)) * (1 - ratio);
  return signalNext === 1 ? mean : mean + Math.sqrt(variance) * random();
}

/** Adds the noise of a step's time to a clean image (Ho et al. 2020, equation 4), in place. */
export function renoise(x: Float32Array, { signal }: Step, random: () => number): void {
  for (let i = 0; i < x.length; i++) x[i] = Math.sqrt(signal) * x[i]! + Math.sqrt(1 - signal) * random();
}

/** Advances an image by one step, in place. */
export function advance(
  { sampler, clips }: Sampling,
  x: Float32Array,
  noise: Float32Array,
  step: Step,
  random: () => number,
): void {
  for (let i = 0; i < x.length; i++) {
    const clean = cleaned(x[i]!, noise[i]!, step, clips);
    x[i] = sampler === "ddim" ? ddim(clean, noise[i]!, step) : ddpm(x[i]!, clean, step, random);
  }
}

/** Classifier-free guidance: unconditional + weight · (conditional − unconditional), written to `conditional`. */
export function guide(conditional: Float32Array, unconditional: Float32Array, weight: number): void {
  for (let i = 0; i < conditional.length; i++)
    conditional[i] = unconditional[i]! + weight * (conditional[i]! - unconditional[i]!);
}
