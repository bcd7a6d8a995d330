import type { RunData } from "../data/open.ts";
import { methodName } from "../methods/method.ts";
import { chosenMethod } from "../methods/registry.ts";
import type { TrainOptions } from "../options.ts";
import type { AnySubject } from "../subject/own-subject.ts";
import { BatchStage } from "./batch-stage.ts";
import { type Evaluation, measureOf } from "./evaluation.ts";
import { type TrainingReceipt, trainingReceipt, type Work } from "./receipt.ts";
import type { Stage, StepResult } from "./stage.ts";

/** The record of one step. */
export interface StepReport extends StepResult, Evaluation {
  /** The name of the step's stage, if the run has several stages. */
  readonly stage?: string;
  /** The step's number, counted from 1. */
  readonly step: number;
  readonly steps: number;
  /** The number of tokens in all steps so far, without padding. */
  readonly tokens: number;
  /** The number of samples in all steps so far, with repetitions, but without rows that pad a batch. */
  readonly samples: number;
  readonly ms: number;
  /** Present if the step's evaluation is the best so far. */
  readonly best?: true;
  /** Present if the run ends early, because evaluations stopped improving. */
  readonly ended?: "patience";
}

/** A step after its update and before its evaluation; stored with the state of a run that stops in between. */
export type TrainedStep = Omit<StepReport, keyof Evaluation | "best" | "ended">;

/** A run's counters, stored with its state. */
export type Counters = {
  /** The number of optimiser steps that changed the weights, without skipped steps. */
  updates: number;
  skipped: number;
  tokens: number;
  samples: number;
  first: number;
  last: number;
  /** The best held-out loss. */
  best: number;
  /** The lowest value of `measureOf` for the option `best`. */
  bestMeasure: number;
  /** The number of evaluations since `bestMeasure` improved. */
  stale: number;
  forward: number;
  backward: number;
  denseBackward: number;
  /** The FLOPs of the heads at earlier layers. */
  exits: number;
  ms: number;
};

const begun = (): Counters => ({
  ...{ updates: 0, skipped: 0, tokens: 0, samples: 0, first: Number.NaN, last: Number.NaN },
  ...{ best: Number.NaN, bestMeasure: Number.NaN, stale: 0 },
  ...{ forward: 0, backward: 0, denseBackward: 0, exits: 0, ms: 0 },
});

const improves = (value: number, best: number): boolean => value < best || Number.isNaN(best);

export type RunOptions = Pick<TrainOptions, "evaluateEvery" | "patience" | "best" | "keepBest" | "ema" | "method">;

/** Runs and owns a stage. Each step depends only on the options, the data and the state. */
export class TrainingRun<S extends Stage = Stage> implements Disposable {
  /** Steps done. */
  done = 0;
  readonly counters: Counters = begun();
  /** The last step, if its evaluation is still pending. */
  trained: TrainedStep | undefined;
  /** The trained values at the best evaluation, if the run keeps them; zeros before the first evaluation. */
  readonly #best: Float32Array<ArrayBuffer> | undefined;
  /** The exponential moving average of the trained values, if the run keeps one. */
  readonly #ema: Float32Array<ArrayBuffer> | undefined;

  constructor(
    private readonly options: RunOptions,
    readonly stage: S,
  ) {
    if (options.keepBest) this.#best = new Float32Array(this.#values.length);
    if (options.ema !== undefined) this.#ema = new Float32Array(this.#values.length);
  }

  /** Opens a run on batches of data, with the options' method. */
  static async open(options: TrainOptions, subject: AnySubject, data: RunData): Promise<TrainingRun<BatchStage>> {
    const stage = await BatchStage.open(options, subject, data, { chosen: chosenMethod(options) });
    await stage.prepare();
    return new TrainingRun(options, stage);
  }

  /** The state's buffers by name, without copying. */
  get states(): Stage["states"] {
    const [best, ema] = [this.#best, this.#ema];
    return { ...this.stage.states, ...(best && { best }), ...(ema && { ema }) };
  }

  /** The reason why the run has ended: all steps are done, or the measure `best` stopped improving. */
  get ended(): "steps" | "patience" | undefined {
    if (this.done >= this.stage.steps) return "steps";
    const { patience } = this.options;
    return patience !== undefined && this.counters.stale >= patience ? "patience" : undefined;
  }

  /** Runs the next step. @throws Spike if the loss or its gradient is not finite, unless such steps are skipped */
  async step(): Promise<StepReport> {
    this.trained ??= await this.#train();
    const started = performance.now();
    const evaluated = await this.#evaluated();
    const ms = performance.now() - started;
    this.#count(ms);
    const report = { ...this.trained, ms: this.trained.ms + ms, ...evaluated };
    this.trained = undefined;
    return this.ended === "patience" ? { ...report, ended: "patience" } : report;
  }

  async #train(): Promise<TrainedStep> {
    const started = performance.now();
    const { counters, stage } = this;
    if (this.done === 0) this.#ema?.set(this.#values);
    const { loss, rate, norm, labelled, tokens, samples, metrics, skipped } = await stage.step(this.done, counters);
    this.done++;
    if (!skipped) this.#average();
    counters.tokens += tokens;
    counters.samples += samples;
    if (this.done === 1) counters.first = loss;
    counters.last = loss;
    const ms = performance.now() - started;
    this.#count(ms);
    const seen = { labelled, tokens: counters.tokens, samples: counters.samples, ms };
    const report = { step: this.done, steps: stage.steps, loss, rate, norm, ...seen, ...(metrics && { metrics }) };
    return skipped ? { ...report, skipped } : report;
  }

  async #evaluated(): Promise<Pick<StepReport, "best"> & Evaluation> {
    const due = this.done % this.options.evaluateEvery === 0 || this.done === this.stage.steps;
    return due ? await this.#withAverage(() => this.#evaluate()) : {};
  }

  async #evaluate(): Promise<Pick<StepReport, "best"> & Evaluation> {
    const evaluation = await this.stage.evaluate?.();
    return evaluation ? { ...evaluation, ...(this.#judge(evaluation) && { best: true }) } : {};
  }

  #average(): void {
    const [average, values] = [this.#ema, this.#values];
    const share = 1 - (this.options.ema ?? 0);
    for (let i = 0; i < (average?.length ?? 0); i++) average![i]! += share * (values[i]! - average![i]!);
  }

  /** Evaluates the averaged weights, if any, then restores the trained weights. */
  async #withAverage<T>(evaluate: () => Promise<T>): Promise<T> {
    if (!this.#ema) return evaluate();
    const trained = this.#values.slice();
    this.#values.set(this.#ema);
    try {
      return await evaluate();
    } finally {
      this.#values.set(trained);
    }
  }

  /** Records an evaluation, and stores the weights if it is the best so far. */
  #judge(evaluation: Evaluation): boolean {
    const { counters } = this;
    const { validation } = evaluation;
    const measure = measureOf(evaluation, this.options.best, this.stage.tasks ?? []);
    if (validation !== undefined && improves(validation, counters.best)) counters.best = validation;
    if (measure === undefined) return false;
    const better = improves(measure, counters.bestMeasure);
    if (better) counters.bestMeasure = measure;
    if (better) this.#best?.set(this.#values);
    counters.stale = better ? 0 : counters.stale + 1;
    return better;
  }

  /** Loads the weights of the best evaluation, or else the averaged weights, if the run keeps either. */
  useBest(): void {
    if (this.#ema) this.#values.set(this.#ema);
    if (this.#best && !Number.isNaN(this.counters.bestMeasure)) this.#values.set(this.#best);
  }

  /** The trained values, without copying. */
  get #values(): Float32Array {
    return this.stage.states["values"]!;
  }

  #count(ms: number): void {
    const { forward, backward, exits, denseBackward = backward } = this.stage.takeCost();
    this.counters.forward += forward;
    this.counters.backward += backward;
    this.counters.denseBackward += denseBackward;
    this.counters.exits += exits;
    this.counters.ms += ms;
  }

  /** The bill for the run's steps. */
  get work(): Work {
    const { forward, backward, denseBackward, exits, tokens, samples, ms, updates } = this.counters;
    const { updateFlops = 0, prompts } = this.stage;
    const bill = this.stage.bill?.(this.done) ?? {};
    return {
      ...{ forward, backward, update: updates * updateFlops, denseBackward, tokens, samples, steps: this.done, ms },
      ...{ bill: { ...bill, overhead: exits + (bill.overhead ?? 0) }, prompts },
    };
  }

  receipt(model: string): TrainingReceipt {
    return trainingReceipt(model, { ...this.work, method: methodName(this.options.method) });
  }

  [Symbol.dispose](): void {
    this.stage[Symbol.dispose]();
  }
}
