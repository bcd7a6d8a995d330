import type { WorkCount } from "../methods/method.ts";
import type { Optimizer } from "../step/optimizer.ts";
import type { ParameterStore } from "../step/parameters.ts";

const BYTES = 4;

/** The counters that freezing lowers: trained parameters, and bytes of their gradients and optimiser states. */
export function frozenWork(
  { parameters }: Pick<ParameterStore, "parameters">,
  { states }: Pick<Optimizer, "states">,
): Readonly<Record<string, WorkCount>> {
  const size = (some: typeof parameters) =>
    some.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  const [dense, run] = [size(parameters), size(parameters.filter(({ trained }) => trained))];
  const each = BYTES * (1 + Object.keys(states).length);
  return {
    trainedParameters: { dense, run },
    trainingBytes: { dense: each * dense, run: each * run },
  };
}
