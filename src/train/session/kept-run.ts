import type { Buffer } from "../../runtime/buffer.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import { thisMachine } from "../checkpoint/machine.ts";
import { type KeptState, keepState } from "../checkpoint/state.ts";
import type { TrainOptions } from "../options.ts";
import type { Counters, TrainedStep, TrainingRun } from "./run.ts";

/** The buffers of a run's state by name: the memory itself. */
function buffersOf({ subject: { store }, optimizer, bestValues, method }: TrainingRun) {
  const trained = ({ memory }: Buffer) => new Float32Array(memory, 0, store.trainedElements);
  const named = new Map([["values", trained(store.values)]]);
  for (const [name, buffer] of Object.entries(optimizer.states)) named.set(name, trained(buffer));
  if (bestValues) named.set("best", bestValues);
  for (const [name, values] of Object.entries(method?.states ?? {})) named.set(`method.${name}`, values);
  return named;
}

/** Keeps a run's state as a checkpoint in its folder. `data` is the hash of its data. @throws UserError if the disk refuses it */
export async function keepRun(run: TrainingRun, options: TrainOptions, out: string, data: string): Promise<void> {
  const tensors = Array.from(buffersOf(run), ([name, values]): [string, WritableTensor] => [
    name,
    { shape: [values.length], values: () => values },
  ]);
  const state = { step: run.done, counters: finite(run.counters), config: options, data, machine: thisMachine() };
  await keepState(out, { ...state, ...(run.trained && { trained: run.trained }) }, new Map(tensors));
}

/** JSON has no NaN: counters without a value are left out. */
const finite = (counters: Counters): Record<string, number> =>
  Object.fromEntries(Object.entries(counters).filter(([, value]) => Number.isFinite(value)));

/** JSON has null for a loss that is not finite. */
const numbersOf = ({ loss, norm }: TrainedStep) => ({ loss: loss ?? Number.NaN, norm: norm ?? Number.NaN });

/** Puts a run where a state was kept. @throws UserError if the state is of other parameters */
export function restoreRun(run: TrainingRun, kept: KeptState): void {
  for (const [name, values] of buffersOf(run)) values.set(kept.buffer(name, [values.length]));
  run.done = kept.step;
  run.trained = kept.trained && { ...kept.trained, ...numbersOf(kept.trained) };
  Object.assign(run.counters, kept.counters);
}
