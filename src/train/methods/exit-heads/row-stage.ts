import { hashOf } from "../../data/files.ts";
import { optimizerOptions } from "../../options.ts";
import { type Evaluation, type Scoring, scored } from "../../session/evaluation.ts";
import { type GradientOptions, GradientStage, type Gradients } from "../../session/gradient-stage.ts";
import type { StepResult, UpdateCounters } from "../../session/stage.ts";
import type { ScoredTask } from "../../session/tasks.ts";
import { Optimizer } from "../../step/optimizer.ts";
import type { PassCost } from "../../step/passes.ts";
import { scheduleOptions } from "../../step/schedule.ts";
import type { Corpus } from "./corpus.ts";
import { type RowModel, RowPasses } from "./row-passes.ts";
import { batchesOf, type Positions } from "./rows.ts";
import type { CollectTerms } from "./states/collect.ts";
import type { TrainingStates } from "./training-states.ts";

/** The optimiser of all exits, which never clips gradients. */
const settings: Omit<GradientOptions, "optimizer"> = {
  clip: 0,
  spikes: "stop",
  precision: "fp32",
  schedule: scheduleOptions.parse({ warmup: 0.05, minimum: 0.05 }),
};
const optimizer = optimizerOptions.parse({ beta2: 0.999, weightDecay: 0.01 });

/** The targets of positions after a layer: each one's class and share of the loss. */
export interface Lesson {
  readonly layer: number;
  readonly classes: ArrayLike<number>;
  readonly shares: ArrayLike<number>;
}

/** Lab tasks that score a value during training. */
export interface ScoringOf<T> {
  readonly tasks: Scoring["tasks"];
  score(value: T): ReturnType<Scoring["score"]>;
}

/** Returns a scoring that converts each value before scoring it. */
export const scoringBy = <T, U>(
  scoring: ScoringOf<U> | undefined,
  convert: (value: T) => U,
): ScoringOf<T> | undefined => scoring && { tasks: scoring.tasks, score: (value) => scoring.score(convert(value)) };

/** Scores the value that `current` returns. */
export const scoringOf = <T>(scoring: ScoringOf<T> | undefined, current: () => Promise<T>): Scoring | undefined =>
  scoring && { tasks: scoring.tasks, score: async () => scoring.score(await current()) };

/** The run options for training a decider. */
export interface DeciderTerms<T> extends CollectTerms {
  /** Scores this decider during training; present only for the decider that runs the exits. */
  readonly scoring?: ScoringOf<T> | undefined;
}

/** Settings for training an exit's weights on the positions of texts. */
export interface RowFit {
  readonly name: string;
  /** Layers whose streams are read. */
  readonly layers: readonly number[];
  /** Positions per optimiser step. */
  readonly stepRows: number;
  readonly epochs: number;
  /** Peak learning rate. */
  readonly rate: number;
  readonly seed: number;
  /** The FLOPs of computing the outputs of the trained weights. */
  readonly judging: number;
  readonly onProgress: CollectTerms["onProgress"];
  /** Lab tasks that score the current state of training. */
  readonly scoring?: Scoring | undefined;
  /** True to keep the positions of a row of text together. */
  readonly whole?: boolean;
  lessons(at: Int32Array): readonly Lesson[];
  /** Changes the streams of some positions before they are read. */
  scale?(streams: Float32Array, positions: number): void;
}

/** A batch of positions, and whether it is the last batch of its step. */
interface StepPart {
  readonly positions: Positions;
  readonly ends: boolean;
}

/** The number of optimiser steps in `epochs` epochs over the training part's positions. */
export function stepsOver(
  { ranges: { training }, block }: Pick<Corpus, "ranges" | "block">,
  { epochs, stepRows }: Pick<RowFit, "epochs" | "stepRows">,
): number {
  const [from, to] = training;
  return Math.max(1, Math.floor((epochs * (to - from) * block) / stepRows));
}

/** A stage that trains on the training part's positions, in a new order each epoch. */
export class RowStage extends GradientStage {
  readonly steps: number;
  readonly data: { readonly hash: string };
  /** The FLOPs of forward passes before the first step and after the last. */
  readonly #around: number;
  #unbilled = 0;
  /** The number of steps whose positions have been taken from `#parts`. */
  #read = 0;
  #parts: Generator<StepPart, never>;

  private constructor(
    readonly passes: RowPasses,
    own: Optimizer,
    private readonly texts: TrainingStates,
    private readonly fit: RowFit,
    private readonly rows: number,
  ) {
    super({ ...settings, optimizer: { ...optimizer, lr: fit.rate } }, passes.store, own, fit.name);
    this.steps = stepsOver(texts.corpus, fit);
    this.data = { hash: hashOf([texts.cache.name]) };
    this.#around = texts.unbilled.flops + fit.judging;
    texts.unbilled.flops = 0;
    this.#parts = this.#partsOf();
  }

  static async open(model: RowModel, states: TrainingStates, fit: RowFit): Promise<RowStage> {
    const passes = await RowPasses.create(model);
    return new RowStage(passes, await Optimizer.create(optimizer, passes.store), states, fit, model.rows);
  }

  *#partsOf(): Generator<StepPart, never> {
    const { layers, seed, whole, stepRows } = this.fit;
    const { cache, corpus } = this.texts;
    const terms = { range: corpus.ranges.training, size: this.rows, whole };
    let gathered = 0;
    for (let epoch = 0; ; epoch++)
      for (const positions of batchesOf(cache, layers, { ...terms, seed: seed + epoch })) {
        gathered += positions.at.length;
        const ends = gathered >= stepRows;
        if (ends) gathered = 0;
        yield { positions, ends };
      }
  }

  override async step(i: number, counters: UpdateCounters): Promise<StepResult> {
    const result = await super.step(i, counters);
    const stage = this.name.replace(/-(\d+)$/, " after layer $1");
    this.fit.onProgress?.({ stage, done: i + 1, of: this.steps });
    return result;
  }

  protected async gradients(i: number): Promise<Gradients> {
    if (i === 0) this.#unbilled = this.#around;
    while (this.#read < i) this.#skip();
    this.store.zeroGradients();
    let [loss, labelled, tokens] = [0, 0, 0];
    for (let ends = false; !ends; ) {
      const part = this.#parts.next().value;
      tokens += part.positions.at.length;
      for (const lesson of this.fit.lessons(part.positions.at)) {
        loss = await this.#learn(lesson, part.positions, loss);
        labelled += countOf(lesson.shares);
      }
      ({ ends } = part);
    }
    this.#read++;
    return { loss, labelled, tokens, samples: tokens };
  }

  /** Skips the positions of a completed step. */
  #skip(): void {
    while (!this.#parts.next().value.ends);
    this.#read++;
  }

  async #learn({ layer, classes, shares }: Lesson, { at, stream }: Positions, loss: number): Promise<number> {
    const { x } = this.passes;
    stream(layer, x);
    this.fit.scale?.(x, at.length);
    return loss + (await this.passes.add(classes, shares));
  }

  get tasks(): readonly ScoredTask[] {
    return this.fit.scoring?.tasks ?? [];
  }

  async evaluate(): Promise<Evaluation> {
    const { scoring, judging } = this.fit;
    if (!scoring) return {};
    this.#unbilled += judging;
    return scored(scoring, (flops) => {
      this.#unbilled += flops;
    });
  }

  /** Calls `use`, which may change the stage's weights, and then restores the weights. */
  async withWeights<T>(use: () => Promise<T>): Promise<T> {
    const values = this.states["values"]!;
    const trained = values.slice();
    try {
      return await use();
    } finally {
      values.set(trained);
    }
  }

  takeCost(): PassCost {
    const cost = this.passes.takeCost();
    const forward = cost.forward + this.#unbilled;
    this.#unbilled = 0;
    return { ...cost, forward };
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.passes[Symbol.dispose]();
  }
}

/** The number of positions with a share of the loss. */
const countOf = (shares: ArrayLike<number>): number => Array.from(shares).filter((share) => share > 0).length;
