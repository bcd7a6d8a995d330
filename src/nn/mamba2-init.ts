import { type Mamba2Config, mamba2Weights } from "./mamba2.ts";
import { firstStep } from "./steps-init.ts";

/**
 * Random weights of a mixer, as in the reference implementation (state-spaces/mamba, `Mamba2`): A from 1 to 16, steps
 * from 0.001 to 0.1 evenly on a log scale, D and the norm are 1, the rest is as in PyTorch's linear layers.
 */
export function initialMamba2(config: Mamba2Config, random: () => number): Record<string, Float32Array> {
  const uniform = (bound: number) => () => bound * (2 * random() - 1);
  const fill: Readonly<Record<keyof ReturnType<typeof mamba2Weights>, () => number>> = {
    "in_proj.weight": uniform(1 / Math.sqrt(config.hidden)),
    "conv1d.weight": uniform(1 / Math.sqrt(config.convWidth)),
    "conv1d.bias": uniform(1 / Math.sqrt(config.convWidth)),
    dt_bias: () => firstStep(random),
    A_log: () => Math.log(1 + 15 * random()),
    D: () => 1,
    "norm.weight": () => 1,
    "out_proj.weight": uniform(1 / Math.sqrt(config.inner)),
  };
  const shapes = Object.entries(mamba2Weights(config)) as [keyof typeof fill, readonly number[]][];
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return [name, Float32Array.from({ length }, fill[name])];
    }),
  );
}
