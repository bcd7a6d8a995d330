import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { readJson } from "../../weights/json-file.ts";
import { withFile } from "../../weights/read-file.ts";
import { parseHeader, type SafeTensor } from "../../weights/safetensors/header.ts";
import { readFloats } from "../../weights/safetensors/read.ts";
import { type WritableTensor, writeTensors } from "../../weights/safetensors/write.ts";
import { type FrozenChoice, frozenChoice } from "../freeze/choice.ts";
import type { TrainedStep } from "../session/run.ts";
import type { Machine } from "./machine.ts";

const stateFile = z.object({
  version: z.literal(1),
  step: z.int().min(0),
  counters: z.record(z.string(), z.number()),
  trained: z.custom<TrainedStep>((value) => typeof value === "object").optional(),
  config: z.unknown(),
  data: z.string(),
  machine: z.object({ onnxruntime: z.string(), processor: z.string() }),
  buffers: z.record(z.string(), z.array(z.int().min(0))),
  frozen: frozenChoice.optional(),
});

/** A run between two steps: everything that later steps depend on, except the buffers. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number;
  /** Counters, such as samples seen; finite numbers. */
  readonly counters: Readonly<Record<string, number>>;
  /** The last step, if its evaluation is still pending. */
  readonly trained?: TrainedStep | undefined;
  /** The run's options, as JSON. */
  readonly config: unknown;
  /** Hash of the data. */
  readonly data: string;
  readonly machine: Machine;
  /** The choice of `freeze: auto`. */
  readonly frozen?: FrozenChoice | undefined;
}

/** A state found in a folder. */
export interface KeptState extends TrainingState {
  readonly folder: string;
  /** Newer states that are damaged: one sentence each, with the reason. */
  readonly damaged: readonly string[];
  /** Reads a buffer's values. @throws UserError if no buffer has this name and shape */
  buffer(name: string, shape: readonly number[]): Float32Array<ArrayBuffer>;
}

/** The number of states to keep. */
const KEPT = 2;

/** The folder that holds the states of a run, or of one stage. */
const folderOf = (run: string, stage = ""): string => path.join(run, "checkpoints", stage);
const nameOf = (step: number): string => `step-${step}`;

/**
 * Stores a run's state in `checkpoints/step-N`: float32 buffers by name, such as weights and the optimiser's. The
 * folder gets this name once complete; then all other states except the previous one are removed. A stage's states
 * are in `checkpoints/STAGE`.
 * @throws UserError if writing fails; earlier states are not changed
 */
export async function keepState(
  run: string,
  state: TrainingState,
  buffers: ReadonlyMap<string, WritableTensor>,
  stage = "",
): Promise<void> {
  const all = folderOf(run, stage);
  const folder = path.join(all, nameOf(state.step));
  const part = `${folder}.${randomUUID()}.part`;
  try {
    makeFolders(all);
    await mkdir(part);
    await writeTensors(path.join(part, "state.safetensors"), buffers);
    const shapes = Object.fromEntries([...buffers].map(([name, { shape }]) => [name, shape]));
    await writeJson(path.join(part, "state.json"), { version: 1, ...state, buffers: shapes });
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder);
  } catch (error) {
    await rm(part, { recursive: true, force: true }).catch(() => {});
    throw withLast(all, writeError(error, folder), (message) => message.replaceAll(part, folder));
  }
  await removeOthers(all, state.step);
}

/** Adds to an error the step from which the run can resume. */
function withLast(all: string, error: unknown, named: (message: string) => string): unknown {
  if (!(error instanceof UserError)) return error;
  const [last] = stepsIn(all);
  const advice = last === undefined ? "" : `; the checkpoint of step ${last} is intact`;
  return new UserError(named(error.message) + advice);
}

/** Steps that have a folder, the latest first. */
function stepsIn(folder: string): number[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => b - a);
}

/** Removes older states, later states of an abandoned run, and partial folders of a killed run. */
async function removeOthers(folder: string, step: number): Promise<void> {
  const steps = stepsIn(folder);
  const retained = steps.filter((other) => other <= step).slice(0, KEPT);
  const others = steps.filter((other) => !retained.includes(other)).map(nameOf);
  const parts = readdirSync(folder).filter((name) => name.endsWith(".part"));
  // If a removal fails, the next call tries again.
  for (const name of [...others, ...parts])
    await rm(path.join(folder, name), { recursive: true, force: true }).catch(() => {});
}

/** Removes all states, for a run that starts over. @throws UserError if writing fails */
export async function removeStates(run: string): Promise<void> {
  try {
    await rm(folderOf(run), { recursive: true, force: true });
  } catch (error) {
    throw writeError(error, folderOf(run));
  }
}

/** The latest complete state of a run or stage; undefined without states. @throws UserError if all are damaged */
export function latestState(run: string, stage = ""): KeptState | undefined {
  const damaged: string[] = [];
  const all = folderOf(run, stage);
  for (const step of stepsIn(all)) {
    try {
      return opened(path.join(all, nameOf(step)), damaged);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      damaged.push(error.message);
    }
  }
  if (damaged.length > 0) throw new UserError(`${run}: every checkpoint is damaged: ${damaged[0]}`);
  return undefined;
}

/** True if a run, or one of its stages, has a state. */
export const hasState = (run: string): boolean =>
  existsSync(folderOf(run)) && readdirSync(folderOf(run)).some((name) => !name.endsWith(".part"));

function opened(folder: string, damaged: readonly string[]): KeptState {
  const { version: _, buffers, ...state } = readJson(path.join(folder, "state.json"), stateFile, "a run's state");
  const file = path.join(folder, "state.safetensors");
  const tensors = withFile(file, parseHeader);
  for (const [name, shape] of Object.entries(buffers)) tensorOf(file, tensors, name, shape);
  return {
    ...state,
    ...{ folder, damaged },
    buffer: (name, shape) => readFloats(tensorOf(file, tensors, name, shape)),
  };
}

function tensorOf(
  file: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  name: string,
  shape: readonly number[],
): SafeTensor {
  const found = tensors.get(name);
  if (found?.type === "F32" && found.shape.join() === shape.join()) return found;
  const got = found ? `${found.type} [${found.shape.join(", ")}]` : "nothing";
  throw new UserError(`${file}: expected "${name}" as F32 [${shape.join(", ")}], got ${got}`);
}
