import { type ConsistencyConfig, deviationsOf } from "../../../models/image-generator/consistency-schedule.ts";
import type { Route } from "./sampler.ts";

/** Multistep consistency sampling (Song et al. 2023, arXiv 2303.01469, algorithm 1), like diffusers' implementation. */
export function consistencyRoute(config: ConsistencyConfig, count: number): Route {
  const deviations = deviationsOf(config, count);
  const steps = deviations.map((deviation, i) => ({
    time: 250 * Math.log(deviation),
    scale: 1 / Math.hypot(deviation, config.data),
    noised: (x: Float32Array, random: () => number) => renoise(x, deviation, random),
    advance(x: Float32Array, output: Float32Array, random: () => number) {
      clean(x, output, deviation, config);
      const next = deviations[i + 1];
      if (next !== undefined) renoise(x, Math.sqrt(Math.max(0, next ** 2 - config.least ** 2)), random);
    },
  }));
  return { deviation: config.most, steps };
}

/**
 * Denoises an image in place: c_skip · x + c_out · the network's output. The result equals x at the smallest deviation
 * (appendix C).
 */
function clean(x: Float32Array, output: Float32Array, deviation: number, config: ConsistencyConfig): void {
  const { data, least, clips } = config;
  const above = deviation - least;
  const skip = data ** 2 / (above ** 2 + data ** 2);
  const out = (above * data) / Math.hypot(deviation, data);
  for (let i = 0; i < x.length; i++) {
    const value = skip * x[i]! + out * output[i]!;
    x[i] = clips ? Math.max(-1, Math.min(1, value)) : value;
  }
}

function renoise(x: Float32Array, deviation: number, random: () => number): void {
  for (let i = 0; i < x.length; i++) x[i] = x[i]! + deviation * random();
}
