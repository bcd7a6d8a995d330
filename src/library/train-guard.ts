import { chooseThreads } from "../runtime/threads.ts";
import { removeStates } from "../train/checkpoint/state.ts";
import { type FreezeMask, maskOf, ratiosOf, readMask, writeMask } from "../train/freeze/mask-file.ts";
import { openWhole, tensorsIn } from "../train/freeze/tensors.ts";
import { completeOptions, withMethod } from "../train/methods/complete.ts";
import { type GuardTerms, guardStages } from "../train/methods/guard/learn.ts";
import { type GuardInput, guardOptions } from "../train/methods/guard/options.ts";
import type { TrainingReceipt } from "../train/session/receipt.ts";
import { runSession, type Session } from "../train/session/session.ts";
import { trainedBy } from "../train/subject/open-trainee.ts";
import { UserError } from "../util/errors.ts";
import { checkWritable } from "../util/write-whole.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import { checkArgument } from "./arguments.ts";
import { openBase } from "./train.ts";

/** A mask that was written to a file. */
export interface WrittenMask {
  readonly out: string;
  /** The frozen shares of tensors and parameters. */
  readonly frozen: ReturnType<typeof ratiosOf>;
}

/** A learned mask. */
export interface GuardTrained extends WrittenMask {
  readonly receipt: TrainingReceipt;
}

/** The mask's file, and callbacks for the run that learns it. */
export interface GuardCall extends ResolveOptions, Pick<GuardTerms, "onStep"> {
  readonly out: string;
  /** Threads of the process's pool; default: the number of cores that the process may use. */
  readonly threads?: number;
}

/**
 * Learns which tensors of an image generator to freeze in its users' fine-tuning, so that the generator learns
 * illegal images badly and innocent images well (FreezeAsGuard). The option `freezeMask` of `train` enforces the mask.
 * @throws UserError
 */
export async function trainGuard(
  options: GuardInput,
  { out, threads, onStep, ...resolving }: GuardCall,
): Promise<GuardTrained> {
  if (threads !== undefined) chooseThreads(threads);
  const settings = checkArgument("trainGuard's options", guardOptions, options);
  await checkWritable(out);
  const { innocent: data, ...own } = settings;
  const session: Session = {
    options: completeOptions(withMethod("guard", { ...own, data })),
    ...{ out: runOf(out), reuse: "unfinished" },
    async *stages() {
      const { checkpoint } = await openBase(settings.model, resolving);
      await writeMask(out, yield* guardStages(settings, checkpoint, { onStep }));
    },
  };
  const { receipt } = await runSession(session, (model) => openBase(model, resolving), {}, resolving.signal);
  await removeStates(session.out);
  return { ...written(out, readMask(out)), receipt };
}

/** The folder of the run that learns a mask. */
const runOf = (mask: string): string => `${mask}.run`;

/** The tensors to freeze, and the file for the mask. */
export interface MaskCall extends ResolveOptions {
  readonly out: string;
  /** Names of tensors, with `*` for any part of a name. */
  readonly freeze: readonly string[];
}

/** Writes a mask that names tensors of a model. @throws UserError for a name that matches no tensor */
export async function maskTensors(model: string, { out, freeze, ...resolving }: MaskCall): Promise<WrittenMask> {
  if (freeze.length === 0) throw new UserError("freeze: expected at least one tensor name", 2);
  using subject = await openWhole(await openBase(model, resolving));
  const own = tensorsIn(subject.store);
  const frozen = trainedBy(
    freeze,
    own.map(({ name }) => name),
    "freeze",
  );
  const mask = maskOf(model, own, frozen);
  await writeMask(out, mask);
  return written(out, mask);
}

const written = (out: string, mask: FreezeMask): WrittenMask => ({ out, frozen: ratiosOf(mask) });
