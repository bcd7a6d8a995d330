import { UserError } from "../../util/errors.ts";
import type { AdapterRecord } from "../../weights/adapter/record.ts";
import type { Batch, TrainingData } from "../data/batch.ts";
import { type RunData, recordOf } from "../data/open.ts";
import { frozenWork } from "../guard/frozen-work.ts";
import { fitToData } from "../methods/fit.ts";
import type { ActiveMethod } from "../methods/method.ts";
import { chosenMethod } from "../methods/registry.ts";
import type { TrainOptions } from "../options.ts";
import { clipFactor, gradientNorm, Optimizer } from "../step/optimizer.ts";
import { holdWeights, lossScale } from "../step/precision.ts";
import { rateAt } from "../step/schedule.ts";
import { type AnySubject, isOwn, openPasses, type RunPasses, type Trained } from "../subject/own-subject.ts";
import { checkBest, type Evaluation, measureOf, type Scoring } from "./evaluation.ts";
import { type TrainingReceipt, trainingReceipt } from "./receipt.ts";
import { Spike } from "./spike.ts";

/** One step as it went. */
export interface StepReport extends Evaluation {
  /** Counted from 1. */
  readonly step: number;
  readonly steps: number;
  /** Nats a label, the mean of the step's labels. */
  readonly loss: number;
  readonly rate: number;
  /** The gradient's length before it is clipped. */
  readonly norm: number;
  /** Labels of the step. */
  readonly labelled: number;
  /** Positions of all steps so far. */
  readonly tokens: number;
  /** Samples of all steps so far, as often as they were seen; rows that only fill up a batch hold none. */
  readonly samples: number;
  readonly ms: number;
  /** Present if the step ends with the best evaluation so far. */
  readonly best?: true;
  /** Present if the loss or the gradient was not finite and the weights stayed. */
  readonly skipped?: true;
  /** The end of the run, if it comes before the last step: evaluations were no better than the best. */
  readonly ended?: "patience";
}

/** A step between its update and its evaluation; kept with the state of a run that is stopped there. */
export type TrainedStep = Omit<StepReport, keyof Evaluation | "best" | "ended">;

/** The counters of a run, kept with its state. */
export type Counters = {
  /** Optimiser steps that changed the weights, without skipped ones. */
  updates: number;
  skipped: number;
  tokens: number;
  samples: number;
  first: number;
  last: number;
  /** The best held-out loss. */
  best: number;
  /** The least measure of the option `best`; see `measureOf`. */
  bestMeasure: number;
  /** Evaluations since then. */
  stale: number;
  forward: number;
  backward: number;
  denseBackward: number;
  /** FLOPs of heads at exits. */
  exits: number;
  ms: number;
};

const begun = (): Counters => ({
  ...{ updates: 0, skipped: 0, tokens: 0, samples: 0, first: Number.NaN, last: Number.NaN },
  ...{
    best: Number.NaN,
    bestMeasure: Number.NaN,
    stale: 0,
    forward: 0,
    backward: 0,
    denseBackward: 0,
    exits: 0,
    ms: 0,
  },
});

const improves = (value: number, best: number): boolean => value < best || Number.isNaN(best);

/** Checks the options against the model and the data. @throws UserError */
export function checkRun(options: TrainOptions, subject: AnySubject, { training, heldOut }: RunData): void {
  const context = isOwn(subject) ? 1 : subject.trainee.stack.context;
  if (training.tokens > context)
    throw new UserError(`tokens: ${training.tokens} are more than the model's context, expected at most ${context}`, 2);
  checkBest(options, heldOut !== undefined);
}

/** Optimiser steps of a whole run. */
export const stepsOf = ({ steps, epochs, accumulate }: TrainOptions, training: TrainingData): number =>
  steps ?? Math.max(1, Math.ceil((epochs * training.batches) / accumulate));

/** A run between two steps. Each step depends only on the options, the data and the state. */
export class TrainingRun implements Disposable {
  /** Steps done. */
  done = 0;
  readonly counters: Counters = begun();
  /** The last step, if its evaluation is still to come. */
  trained: TrainedStep | undefined;
  /** Trained values at the best evaluation, if they are kept; zeros before the first. */
  readonly bestValues: Float32Array<ArrayBuffer> | undefined;

  private constructor(
    private readonly options: TrainOptions,
    readonly subject: AnySubject,
    private readonly data: RunData,
    private readonly passes: RunPasses,
    readonly optimizer: Optimizer,
    private readonly denseBackward: (batch: Batch) => number,
    /** The method of training, if there is one. */
    readonly method: ActiveMethod | undefined,
    private readonly scoring: Scoring | undefined,
    /** A sentence on options that the method has fitted to the data. */
    readonly notice: string | undefined,
  ) {
    if (options.keepBest) this.bestValues = new Float32Array(subject.store.trainedElements);
  }

  static async open(given: TrainOptions, subject: AnySubject, data: RunData, scoring?: Scoring): Promise<TrainingRun> {
    const { options, notice } = fitToData(given, data);
    const { rows, tokens, prefixed = false } = data.training;
    const shape = { rows, tokens, packed: options.packing, prefixed };
    const { passes, dense } = await openPasses(subject, shape, options);
    const optimizer = await Optimizer.create(options.optimizer, subject.store);
    const host = { options, store: subject.store, optimizer, steps: stepsOf(options, data.training) };
    const chosen = chosenMethod(options);
    const method = chosen?.method.open?.(chosen.options, host);
    return new TrainingRun(options, subject, data, passes, optimizer, dense, method, scoring, notice);
  }

  /** Steps of the whole run. */
  get steps(): number {
    return stepsOf(this.options, this.data.training);
  }

  /** The reason that no step follows: all are done, or the measure of the run has not improved for long. */
  get ended(): "steps" | "patience" | undefined {
    if (this.done >= this.steps) return "steps";
    const { patience } = this.options;
    return patience !== undefined && this.counters.stale >= patience ? "patience" : undefined;
  }

  get head(): Trained {
    return isOwn(this.subject) ? this.subject.head : (this.data.head?.kind ?? "lm");
  }

  /** How the prompts of its data are written, if it is in one form. */
  get prompts(): AdapterRecord | undefined {
    return recordOf(this.data);
  }

  get accumulate(): number {
    return this.options.accumulate;
  }

  /** Runs the first batch forward and backward, and returns its cost; changes and counts nothing. */
  async tryBatch(): Promise<{ flops: number; tokens: number; ms: number }> {
    const batch = this.data.training.batch(0);
    const started = performance.now();
    await this.passes.train(batch, 1 / Math.max(1, batch.labelled));
    const { forward, backward, exits } = this.passes.takeCost();
    return { flops: forward + backward + exits, tokens: batch.rows * batch.tokens, ms: performance.now() - started };
  }

  /** Runs the next step. @throws Spike if the loss or its gradient is not finite and the options say stop */
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
    this.method?.beforeStep?.(this.done);
    const { loss, labelled } = await this.#passes();
    this.method?.beforeUpdate?.(this.done);
    const norm = gradientNorm(this.subject.store);
    const rate = this.options.optimizer.lr * rateAt(this.options.schedule, this.done, this.steps);
    const updated = await this.#update(loss, norm, rate);
    this.done++;
    if (this.done === 1) this.counters.first = loss;
    this.counters.last = loss;
    const ms = performance.now() - started;
    this.#count(ms);
    const { tokens, samples } = this.counters;
    const report = { step: this.done, steps: this.steps, loss, rate, norm, labelled, tokens, samples, ms };
    return updated ? report : { ...report, skipped: true };
  }

  /** Gradients of the step's batches, each label with the same part in the loss. */
  async #passes(): Promise<{ loss: number; labelled: number }> {
    const { accumulate } = this.options;
    const { training } = this.data;
    const batches = Array.from({ length: accumulate }, (_, i) => training.batch(this.done * accumulate + i));
    const labelled = batches.reduce((sum, batch) => sum + batch.labelled, 0);
    this.subject.store.zeroGradients();
    const scale = lossScale(this.options.precision, this.counters.skipped);
    let nats = 0;
    for (const [before, batch] of batches.entries()) {
      nats += await this.passes.train(batch, scale / Math.max(1, labelled), { before, scale });
      this.counters.denseBackward += this.denseBackward(batch);
      this.counters.tokens += batch.rows * batch.tokens;
      this.counters.samples += batch.samples;
    }
    if (scale !== 1) this.subject.store.scaleGradients(1 / scale);
    return { loss: nats / Math.max(1, labelled), labelled };
  }

  /** Changes the weights; false if the step is skipped. */
  async #update(loss: number, norm: number, rate: number): Promise<boolean> {
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      const overflow = this.options.precision === "amp-fp16" && Number.isFinite(loss);
      if (this.options.spikes === "stop" && !overflow) throw new Spike(this.done + 1, loss, norm, rate);
      this.counters.skipped++;
      return false;
    }
    this.counters.updates++;
    await this.optimizer.step({ count: this.counters.updates, rate, clip: clipFactor(norm, this.options.clip) });
    holdWeights(this.#values, this.options.precision);
    return true;
  }

  async #evaluated(): Promise<Pick<StepReport, "best"> & Evaluation> {
    const due = this.done % this.options.evaluateEvery === 0 || this.done === this.steps;
    if (!due) return {};
    const [heldOut, tasks] = [await this.#heldOut(), await this.#scored()];
    const evaluation = { ...heldOut, ...(tasks && { tasks }) };
    return { ...evaluation, ...(this.#judge(evaluation) && { best: true }) };
  }

  async #heldOut(): Promise<Pick<Evaluation, "validation" | "accuracy">> {
    const { heldOut } = this.data;
    if (!heldOut) return {};
    const sum = { nats: 0, correct: 0, labelled: 0 };
    for (let i = 0; i < Math.min(heldOut.batches, this.options.evaluateBatches); i++) {
      const batch = heldOut.batch(i);
      const { nats, correct = Number.NaN } = await this.passes.evaluate(batch);
      sum.nats += nats;
      sum.correct += correct;
      sum.labelled += batch.labelled;
    }
    const accuracy = sum.correct / sum.labelled;
    return { validation: sum.nats / sum.labelled, ...(!Number.isNaN(accuracy) && { accuracy }) };
  }

  async #scored(): Promise<Record<string, number> | undefined> {
    const scores = await this.scoring?.score();
    if (!scores) return undefined;
    for (const { flops } of Object.values(scores)) this.counters.forward += flops;
    return Object.fromEntries(Object.entries(scores).map(([name, { quality }]) => [name, quality]));
  }

  /** Counts an evaluation, and keeps the weights if it is the best so far. */
  #judge(evaluation: Evaluation): boolean {
    const { counters } = this;
    const { validation } = evaluation;
    const measure = measureOf(evaluation, this.options.best, this.scoring?.tasks ?? []);
    if (validation !== undefined && improves(validation, counters.best)) counters.best = validation;
    if (measure === undefined) return false;
    const better = improves(measure, counters.bestMeasure);
    if (better) counters.bestMeasure = measure;
    if (better) this.bestValues?.set(this.#values);
    counters.stale = better ? 0 : counters.stale + 1;
    return better;
  }

  /** Gives the model the weights of its best evaluation, if they are kept. */
  useBest(): void {
    if (this.bestValues && !Number.isNaN(this.counters.bestMeasure)) this.#values.set(this.bestValues);
  }

  /** The trained values: the memory itself. */
  get #values(): Float32Array {
    const { values, trainedElements } = this.subject.store;
    return new Float32Array(values.memory, 0, trainedElements);
  }

  #count(ms: number): void {
    const { forward, backward, exits } = this.passes.takeCost();
    this.counters.forward += forward;
    this.counters.backward += backward;
    this.counters.exits += exits;
    this.counters.ms += ms;
  }

  receipt(model: string): TrainingReceipt {
    const { forward, backward, denseBackward, exits, tokens, samples, ms, updates } = this.counters;
    const update = updates * this.optimizer.cost.flops;
    const work = { forward, backward, update, denseBackward, tokens, samples, steps: this.done, ms };
    const bill = this.method?.bill?.(this.done) ?? {};
    const overhead = exits + (bill.overhead ?? 0);
    const frozen = this.options.freezeMask !== undefined && frozenWork(this.subject.store, this.optimizer);
    const counters = { ...bill, overhead, ...(frozen && { work: { ...bill.work, ...frozen } }) };
    return trainingReceipt(model, { ...work, method: this.options.method, bill: counters, prompts: this.prompts });
  }

  [Symbol.dispose](): void {
    for (const part of [this.passes, this.optimizer, this.subject]) part[Symbol.dispose]();
  }
}
