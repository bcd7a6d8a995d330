import type { Batch } from "../data/batch.ts";
import { noiseOf } from "../graphs/noise.ts";
import type { Shape } from "../graphs/stack.ts";
import type { HeadLoss } from "../heads/objective.ts";
import type { HeadKind } from "../heads/settings.ts";
import type { TrainOptions } from "../options.ts";
import { backwardFlops } from "../session/receipt.ts";
import type { ParameterStore } from "../step/parameters.ts";
import { type PassCost, Passes } from "../step/passes.ts";
import { recomputes } from "../step/recompute.ts";
import type { StepTerms } from "../step/step-buffers.ts";
import type { Subject } from "./subject.ts";

/** The subject of training: a head, a network that predicts noise, or a subject that only its method knows. */
export type SubjectKind = HeadKind | "noise" | "own";

interface RunPasses extends Disposable {
  /** Adds a batch's gradients to the store's; `weight` is each label's share of the loss. Returns the sum of losses. */
  train(batch: Batch, weight: number, terms?: StepTerms): Promise<number>;
  evaluate(batch: Batch): Promise<HeadLoss>;
  /** The cost since the last call. */
  takeCost(): PassCost;
}

/** A model that supplies its own passes, because it is not a stack of layers over one token stream. */
export interface OwnSubject extends Disposable {
  readonly head: SubjectKind;
  readonly store: ParameterStore;
  openPasses(): Promise<RunPasses>;
  /** Returns a function that computes the FLOPs of a batch's backward pass if nothing were frozen. */
  denseBackward(): (batch: Batch) => number;
  write(folder: string): Promise<void>;
}

export type AnySubject = Subject | OwnSubject;

export const isOwn = (subject: AnySubject): subject is OwnSubject => "openPasses" in subject;

interface OpenedPasses {
  readonly passes: RunPasses;
  /** The FLOPs of a batch's backward pass if nothing were frozen. */
  readonly dense: (batch: Batch) => number;
  /** True if layers are recomputed in the backward pass. */
  readonly recomputed: boolean;
}

export async function openPasses(subject: AnySubject, shape: Shape, options: TrainOptions): Promise<OpenedPasses> {
  const { recompute, precision } = options;
  if (isOwn(subject)) return { passes: await subject.openPasses(), dense: subject.denseBackward(), recomputed: false };
  const recomputed = recomputes(recompute, subject, shape);
  const trainee = { ...subject.trainee, noise: noiseOf(options) };
  const passes = await Passes.create(trainee, subject.store, shape, recomputed, precision);
  return { passes, dense: backwardFlops(subject.whole, shape, recomputed), recomputed };
}
