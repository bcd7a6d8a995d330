import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { differences } from "../checkpoint/differences.ts";
import { driftOf, thisMachine } from "../checkpoint/machine.ts";
import { type KeptState, latestState } from "../checkpoint/state.ts";
import { type TrainOptions, trainOptions } from "../options.ts";
import { type AnySubject, isOwn } from "../subject/own-subject.ts";
import type { Session } from "./session.ts";

/** Options that determine which parameters a state has. */
const SHAPING =
  /^(method(\.\S+)?|model|head|architecture(\.\S+)?|tokenizer|train|freeze\w*|lora\.(rank|targets|use_dora|modules_to_save)|optimizer\.name|keepBest|ema): /;
/** Options that determine the meaning of trained values. */
const MEANING = /^(model|architecture(\.\S+)?|train|freeze\w*|lora\.\S+): /;

const changesOf = ({ options }: Session, { config }: KeptState): string[] =>
  differences(options, trainOptions.safeParse(config).data ?? config);

/** @throws UserError if the options' parameters differ from the state's */
export function refuseOtherParameters(session: Session, state: KeptState): void {
  const shaping = changesOf(session, state).filter((difference) => SHAPING.test(difference));
  if (shaping.length > 0)
    throw new UserError(`${session.out}: a run cannot continue with a different ${shaping.join("; ")}`);
}

/**
 * Checks that a run may resume from a state. @returns sentences about everything that may change the run's results
 * @throws UserError that lists changed options, unless the call accepts them
 */
export function checkState(session: Session, state: KeptState, hash: string): string[] {
  const { out, reuse } = session;
  const changed = changesOf(session, state);
  const kind = session.options.freezeMask === undefined ? "data" : "data or the mask";
  if (hash !== state.data) changed.push(`the ${kind} differ`);
  const drift = driftOf(state.machine, thisMachine());
  const notices = drift === undefined ? [] : [drift];
  if (changed.length === 0) return notices;
  const sentence = `${out}: the run was begun with different options: ${changed.join("; ")}`;
  if (reuse !== "resume changed") throw new UserError(`${sentence}; --force continues with the new ones`);
  return [...notices, `${sentence}; it continues with the new ones`];
}

/**
 * Loads a subject's weights from another run's folder, or from an adapter's folder. @throws UserError if the folder
 * contains neither, or its parameters differ
 */
export function startFrom(subject: AnySubject, options: TrainOptions, folder: string): void {
  const state = latestState(folder);
  if (state) startFromRun(subject, options, folder, state);
  else startFromAdapterIn(folder, subject);
}

/** Loads the other run's best weights if it stores them, else its averaged weights or the last step's weights. */
function startFromRun({ store }: AnySubject, options: TrainOptions, folder: string, state: KeptState): void {
  const before = trainOptions.safeParse(state.config).data ?? state.config;
  const changed = differences(options, before).filter((difference) => MEANING.test(difference));
  if (changed.length > 0) throw new UserError(`start: ${folder} is a run with a different ${changed.join("; ")}`);
  const { keepBest, ema } = before as Partial<TrainOptions>;
  const weights = keepBest ? "best" : ema === undefined ? "values" : "ema";
  new Float32Array(store.values.memory).set(state.buffer(weights, [store.trainedElements]));
}

function startFromAdapterIn(folder: string, subject: AnySubject): void {
  if (!existsSync(path.join(folder, "adapter_config.json")))
    throw new UserError(`start: ${folder} holds neither a checkpoint of a run nor an adapter`);
  if (isOwn(subject) || !subject.startFrom)
    throw new UserError(`start: ${folder} is an adapter; only a run with lora can start from it`);
  subject.startFrom(folder);
}
