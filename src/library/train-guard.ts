import { chooseThreads } from "../runtime/threads.ts";
import { type FreezeMask, maskOf, ratiosOf, writeMask } from "../train/freeze/mask-file.ts";
import { openWhole, tensorsIn } from "../train/freeze/tensors.ts";
import { learnGuard } from "../train/methods/guard/guard.ts";
import type { GuardTerms } from "../train/methods/guard/learn.ts";
import { type GuardInput, guardOptions } from "../train/methods/guard/options.ts";
import { type TrainingReceipt, trainingReceipt } from "../train/session/receipt.ts";
import { trainedBy } from "../train/subject/open-trainee.ts";
import { UserError } from "../util/errors.ts";
import { checkWritable } from "../util/write-whole.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import { given } from "./arguments.ts";
import { openBase } from "./train.ts";

/** A mask that was written. */
export interface WrittenMask {
  readonly out: string;
  /** The shares that are frozen. */
  readonly frozen: ReturnType<typeof ratiosOf>;
}

/** A mask that was learned. */
export interface GuardTrained extends WrittenMask {
  readonly receipt: TrainingReceipt;
}

/** The mask's file, and how its learning is followed. */
export interface GuardCall extends ResolveOptions, Pick<GuardTerms, "onStep"> {
  readonly out: string;
  /** Threads of the process's pool; default: the cores that it may use. */
  readonly threads?: number;
}

/**
 * Learns which tensors of an image generator to freeze in its users' fine-tuning, so that illegal images are learned
 * badly and innocent ones well (FreezeAsGuard). `train` enforces the mask by its option `freezeMask`.
 * @throws UserError
 */
export async function trainGuard(
  options: GuardInput,
  { out, threads, onStep, ...resolving }: GuardCall,
): Promise<GuardTrained> {
  if (threads !== undefined) chooseThreads(threads);
  const asked = given("trainGuard's options", guardOptions, options);
  await checkWritable(out);
  const { checkpoint } = await openBase(asked.model, resolving);
  const started = performance.now();
  const { mask, work } = await learnGuard(asked, checkpoint, { signal: resolving.signal, onStep });
  await writeMask(out, mask);
  const bill = { ...work, update: 0, denseBackward: work.backward, ms: performance.now() - started };
  return { ...written(out, mask), receipt: trainingReceipt(asked.model, { ...bill, method: "guard" }) };
}

/** The tensors to freeze, and the mask's file. */
export interface MaskCall extends ResolveOptions {
  readonly out: string;
  /** Names of tensors, `*` for any part. */
  readonly freeze: readonly string[];
}

/** Writes a mask of a model's tensors by their names. @throws UserError for a name that none has */
export async function maskTensors(model: string, { out, freeze, ...resolving }: MaskCall): Promise<WrittenMask> {
  if (freeze.length === 0) throw new UserError("freeze: expected at least one name of a tensor", 2);
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
