import type { WritableTensor } from "../../weights/safetensors/write.ts";
import { thisMachine } from "../checkpoint/machine.ts";
import { type KeptState, keepState } from "../checkpoint/state.ts";
import type { TrainOptions } from "../options.ts";
import type { Counters, TrainedStep, TrainingRun } from "./run.ts";

/** Stores a run's state as a checkpoint in its folder. @throws UserError if writing fails */
export async function keepRun(run: TrainingRun, options: TrainOptions, out: string): Promise<void> {
  const { name, data, frozen } = run.stage;
  const tensors = Object.entries(run.states).map(([name, values]): [string, WritableTensor] => [
    name,
    { shape: [values.length], values: () => values },
  ]);
  const state = {
    ...{ step: run.done, counters: finite(run.counters), config: options, data: data.hash, machine: thisMachine() },
    ...(run.trained && { trained: run.trained }),
    ...(frozen && { frozen }),
  };
  await keepState(out, state, new Map(tensors), name);
}

/** Omits counters without a value, because JSON has no NaN. */
const finite = (counters: Counters): Record<string, number> =>
  Object.fromEntries(Object.entries(counters).filter(([, value]) => Number.isFinite(value)));

/** Reads null, which in JSON stands for a loss that is not finite. */
const numbersOf = ({ loss, norm }: TrainedStep) => ({ loss: loss ?? Number.NaN, norm: norm ?? Number.NaN });

/** Restores a run's stored state. @throws UserError if the state has other parameters */
export function restoreRun(run: TrainingRun, state: KeptState): void {
  for (const [name, values] of Object.entries(run.states)) values.set(state.buffer(name, [values.length]));
  run.done = state.step;
  run.trained = state.trained && { ...state.trained, ...numbersOf(state.trained) };
  Object.assign(run.counters, state.counters);
}
