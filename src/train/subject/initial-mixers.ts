import { firstStep } from "../../nn/steps-init.ts";
import { seededRandom } from "../../util/random.ts";
import type { Parameter, ParameterStore } from "../step/parameters.ts";

/**
 * Initialises the parameters of Mamba's mixers as in the reference implementation (state-spaces/mamba): decay rates 1,
 * 2, 3, … within each channel (Mamba) or between 1 and 16 (Mamba-2), step sizes from 0.001 to 0.1, other parameters as
 * in PyTorch's linear layers, and matrices that write to the stream divided by √layers.
 */
export function fillMixers(store: ParameterStore, layers: number, seed: number): void {
  const random = seededRandom(seed);
  for (const parameter of store.parameters) {
    const [, layer, part] = /^(blk\.\d+)\.(ssm_.+)$/.exec(parameter.name) ?? [];
    if (part === undefined) continue;
    const fill = fillOf(part, { store, parameter, layer: layer!, layers, random });
    const values = store.valuesOf(parameter);
    for (let i = 0; i < values.length; i++) values[i] = fill(i);
  }
}

interface Filling {
  readonly store: ParameterStore;
  readonly parameter: Parameter;
  /** The prefix that names the layer, such as "blk.0". */
  readonly layer: string;
  readonly layers: number;
  readonly random: () => number;
}

/** Returns a function that draws a part's element at an index. */
function fillOf(part: string, { store, parameter, layer, layers, random }: Filling): (index: number) => number {
  const size = (name: string, axis: number) => store.parameter(`${layer}.${name}`).shape[axis]!;
  const uniform = (inputs: number, factor = 1) => {
    const bound = factor / Math.sqrt(inputs);
    return () => bound * (2 * random() - 1);
  };
  switch (part) {
    case "ssm_a_log": {
      // Only Mamba, unlike Mamba-2, has several rates per channel.
      const states = store.parameters.some(({ name }) => name === `${layer}.ssm_d`)
        ? parameter.shape[0]! / size("ssm_d", 0)
        : 1;
      return states > 1 ? (i) => Math.log(1 + (i % states)) : () => Math.log(1 + 15 * random());
    }
    case "ssm_dt.bias":
      return () => firstStep(random);
    case "ssm_conv1d.weight":
    case "ssm_conv1d.bias":
      return uniform(size("ssm_conv1d.weight", 1));
    case "ssm_in.bias":
      return uniform(size("ssm_hidden.weight", 1));
    case "ssm_out.weight":
      return uniform(parameter.shape[1]!, 1 / Math.sqrt(layers));
    case "ssm_d":
    case "ssm_norm.weight":
      return () => 1;
    default:
      return uniform(parameter.shape[1]!);
  }
}
