import type { Denoising } from "../../../models/image-generator/image-generator.ts";
import { sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { consistencyRoute } from "./consistency.ts";
import type { SamplerName } from "./options.ts";
import type { Route } from "./route.ts";
import { advance, renoise, stepsOf } from "./sampler.ts";

/** The way of `count` steps by a sampler; a consistency model has its own. */
export function routeOf(denoising: Denoising, sampler: SamplerName, count: number): Route {
  if (denoising.kind === "consistency") return consistencyRoute(denoising.noise, count);
  const sampling = { ...denoising.sampling, sampler: sampler === "ddpm" ? sampler : ("ddim" as const) };
  const steps = stepsOf(sharesLeft(denoising.noise), count, sampling).map((step) => ({
    ...{ time: step.time, scale: 1 },
    noised: (x: Float32Array, random: () => number) => renoise(x, step, random),
    advance: (x: Float32Array, noise: Float32Array, random: () => number) => advance(sampling, x, noise, step, random),
  }));
  return { deviation: 1, steps };
}
