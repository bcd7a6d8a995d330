import { UserError } from "../../util/errors.ts";
import { type AdapterRecord, writeRecord } from "../../weights/adapter/record.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { type Batch, type TrainingData, tokensIn } from "../data/batch.ts";
import { hashOf, readText } from "../data/files.ts";
import { droppedSentence, mixedSentence, type RunData, recordOf } from "../data/open.ts";
import { previewOf } from "../data/preview.ts";
import type { FrozenChoice } from "../freeze/choice.ts";
import { frozenWork } from "../freeze/frozen-work.ts";
import { hasPlusRate } from "../graphs/lora-weights.ts";
import type { ActiveMethod, ChosenMethod, FittedOptions, MethodBill } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import { Optimizer } from "../step/optimizer.ts";
import { lossScale } from "../step/precision.ts";
import { type AnySubject, isOwn, openPasses, type SubjectKind } from "../subject/own-subject.ts";
import { checkBest, type Evaluation, type Scoring, scored } from "./evaluation.ts";
import { GradientStage, type Gradients } from "./gradient-stage.ts";
import { startFrom } from "./resume.ts";
import { openScorer, scoreWritten, writeSubject } from "./scored-step.ts";
import { stabilityWarning } from "./stability.ts";
import type { OpenTerms, Stage, StageCost, UpdateCounters } from "./stage.ts";
import type { ScoredTask } from "./tasks.ts";

/** The number of optimiser steps in a whole run. */
export const stepsOf = ({ steps, epochs, accumulate }: TrainOptions, training: TrainingData): number =>
  steps ?? Math.max(1, Math.ceil((epochs * training.batches) / accumulate));

/** Checks that the options fit the model and the data. @throws UserError */
export function checkRun(options: TrainOptions, subject: AnySubject, { training, heldOut }: RunData): void {
  const context = isOwn(subject) ? 1 : subject.trainee.stack.context;
  if (training.tokens > context)
    throw new UserError(
      `tokens: rows of ${training.tokens} tokens are longer than the model's context, expected at most ${context}`,
      2,
    );
  checkBest(options, heldOut !== undefined);
}

const RECOMPUTED =
  "recompute: layers run again in the backward pass, since their intermediate results do not fit in memory";

/** LoRA+ (Hayou et al. 2024): gives second factors a separate learning rate. */
const rateFactors =
  ({ lora }: TrainOptions) =>
  (name: string): number =>
    hasPlusRate(name) ? (lora?.loraplus_lr_ratio ?? 1) : 1;

/** A stage's name, method, tasks and frozen tensors, if any. */
export interface BatchTerms {
  /** The stage's name, if the run has several. */
  readonly name?: string;
  readonly chosen?: ChosenMethod | undefined;
  readonly scoring?: Scoring | undefined;
  readonly frozen?: FrozenChoice | undefined;
  /** Renders samples as text; absent if the method reads samples in its own format. */
  readonly tokenizer?: Tokenizer | undefined;
}

/** A stage that trains on batches of data, and owns its subject. */
export class BatchStage extends GradientStage {
  /** FLOPs since the last `takeCost`; `apart` counts the FLOPs of lab tasks and image encoders. */
  readonly #cost = { apart: 0, denseBackward: 0 };
  #opened: Awaited<ReturnType<typeof openPasses>> | undefined;

  private constructor(
    protected override readonly options: TrainOptions,
    readonly subject: AnySubject,
    readonly data: RunData,
    optimizer: Optimizer,
    /** The training method, if any. */
    readonly method: ActiveMethod | undefined,
    /** A notice that the method adapted the options to the data. */
    private readonly fitted: string | undefined,
    private readonly terms: BatchTerms,
  ) {
    super(options, subject.store, optimizer, terms.name);
  }

  static async open(
    input: TrainOptions,
    subject: AnySubject,
    data: RunData,
    terms: BatchTerms = {},
  ): Promise<BatchStage> {
    const { chosen } = terms;
    const fitted: Partial<FittedOptions> = chosen?.method.fit?.(chosen.options, input, data) ?? {};
    const { options = input, notice } = fitted;
    const optimizer = await Optimizer.create(options.optimizer, subject.store, rateFactors(options));
    const host = { options, subject, store: subject.store, optimizer, data, steps: stepsOf(options, data.training) };
    const method = chosen?.method.open?.(chosen.options, host);
    const stage = new BatchStage(options, subject, data, optimizer, method, notice, terms);
    stage.#cost.apart = data.encoded ?? 0;
    return stage;
  }

  async prepare(): Promise<void> {
    const { rows, tokens, prefixed = false } = this.data.training;
    const shape = { rows, tokens, packed: this.options.packing, prefixed };
    this.#opened = await openPasses(this.subject, shape, this.options);
  }

  get #programs() {
    if (!this.#opened) throw new Error("a stage must be prepared before its first step");
    return this.#opened;
  }

  get steps(): number {
    return stepsOf(this.options, this.data.training);
  }

  override get states(): Stage["states"] {
    const own = Object.entries(this.method?.states ?? {}).map(([name, values]) => [`method.${name}`, values] as const);
    return { ...super.states, ...Object.fromEntries(own) };
  }

  get head(): SubjectKind {
    return isOwn(this.subject) ? this.subject.head : (this.data.head?.kind ?? "lm");
  }

  get prompts(): AdapterRecord | undefined {
    return recordOf(this.data);
  }

  get tasks(): readonly ScoredTask[] {
    return this.terms.scoring?.tasks ?? [];
  }

  get notices(): readonly string[] {
    const { data, options } = this;
    const recomputed = options.recompute === "auto" && this.#opened?.recomputed ? RECOMPUTED : undefined;
    return [droppedSentence(data, options.tokens), mixedSentence(data), this.fitted, recomputed].flatMap(
      (one) => one ?? [],
    );
  }

  get frozen(): FrozenChoice | undefined {
    return this.terms.frozen;
  }

  get preview(): readonly string[] {
    const { tokenizer } = this.terms;
    return tokenizer ? previewOf(this.data, tokenizer) : [];
  }

  warning(): string | undefined {
    return stabilityWarning(this.store, this.options.precision);
  }

  startFrom(folder: string): void {
    startFrom(this.subject, this.options, folder);
  }

  async tryBatch(): Promise<{ flops: number; tokens: number; ms: number }> {
    const batch = this.data.training.batch(0);
    const started = performance.now();
    await this.#programs.passes.train(batch, 1 / Math.max(1, batch.labelled));
    const { forward, backward, exits } = this.#programs.passes.takeCost();
    const { accumulate } = this.options;
    const ms = performance.now() - started;
    return {
      flops: accumulate * (forward + backward + exits),
      tokens: accumulate * tokensIn(batch),
      ms: accumulate * ms,
    };
  }

  /** Sums each trained tensor's squared gradients over the first steps, without changing weights. */
  async squaredGradients(steps: number): Promise<Map<string, number>> {
    const trained = this.store.parameters.filter((parameter) => parameter.trained);
    const sums = new Map(trained.map(({ name }) => [name, 0]));
    for (let i = 0; i < steps; i++) {
      await this.gradients(i, { updates: 0, skipped: 0 });
      for (const parameter of trained) {
        const gradient = this.store.gradientOf(parameter);
        sums.set(
          parameter.name,
          gradient.reduce((sum, value) => sum + value * value, sums.get(parameter.name)!),
        );
      }
    }
    return sums;
  }

  /** Computes the gradients of a step's batches, with equal weight per label. */
  protected async gradients(i: number, { skipped }: UpdateCounters): Promise<Gradients> {
    const { accumulate, precision } = this.options;
    await this.method?.beforeStep?.(i, (batch) => this.#programs.passes.evaluate(batch));
    const batches = Array.from({ length: accumulate }, (_, at) => this.data.training.batch(i * accumulate + at));
    const sum = (of: (batch: Batch) => number) => batches.reduce((all, batch) => all + of(batch), 0);
    const labelled = sum((batch) => batch.labelled);
    this.store.zeroGradients();
    const scale = lossScale(precision, skipped);
    let nats = 0;
    for (const [before, batch] of batches.entries()) {
      const terms = { before, scale, number: i * accumulate + before };
      nats += await this.#programs.passes.train(batch, scale / Math.max(1, labelled), terms);
      this.#cost.denseBackward += this.#programs.dense(batch);
    }
    if (scale !== 1) this.store.scaleGradients(1 / scale);
    this.method?.beforeUpdate?.(i);
    const seen = { tokens: sum(tokensIn), samples: sum(({ samples }) => samples) };
    const metrics = this.method?.metrics;
    return { loss: nats / Math.max(1, labelled), labelled, ...seen, ...(metrics && { metrics }) };
  }

  async evaluate(): Promise<Evaluation> {
    const heldOut = await this.#heldOut();
    const { scoring } = this.terms;
    const tasks =
      scoring &&
      (await scored(scoring, (flops) => {
        this.#cost.apart += flops;
      }));
    return { ...heldOut, ...tasks };
  }

  async #heldOut(): Promise<Pick<Evaluation, "validation" | "accuracy">> {
    const { heldOut } = this.data;
    if (!heldOut) return {};
    const sum = { nats: 0, correct: 0, labelled: 0 };
    for (let i = 0; i < Math.min(heldOut.batches, this.options.evaluateBatches); i++) {
      const batch = heldOut.batch(i);
      const { nats, correct = Number.NaN } = await this.#programs.passes.evaluate(batch);
      sum.nats += nats;
      sum.correct += correct;
      sum.labelled += batch.labelled;
    }
    const accuracy = sum.correct / sum.labelled;
    return { validation: sum.nats / sum.labelled, ...(!Number.isNaN(accuracy) && { accuracy }) };
  }

  takeCost(): StageCost {
    const { forward, ...cost } = this.#programs.passes.takeCost();
    const { apart, denseBackward } = this.#cost;
    Object.assign(this.#cost, { apart: 0, denseBackward: 0 });
    return { ...cost, forward: forward + apart, denseBackward };
  }

  bill(steps: number): MethodBill {
    const bill = this.method?.bill?.(steps) ?? {};
    if (this.options.freezeMask === undefined && this.options.freeze === undefined) return bill;
    const overhead = (bill.overhead ?? 0) + (this.frozen?.flops ?? 0);
    return { ...bill, overhead, work: { ...bill.work, ...frozenWork(this.store, this.optimizer) } };
  }

  override [Symbol.dispose](): void {
    for (const part of [this.#opened?.passes, this.method, this.subject]) part?.[Symbol.dispose]?.();
    super[Symbol.dispose]();
  }
}

/** A run's model and data, for all kinds of models that are trained on batches. */
export interface OpenRun {
  readonly subject: AnySubject;
  readonly data: RunData;
  /** Undefined for models without texts. */
  readonly tokenizer: Tokenizer | undefined;
}

/** Trains on batches in a single stage, then writes the model. @throws UserError */
export async function* batchStages(
  { subject, data, tokenizer }: OpenRun,
  { options, out, labTasks, signal }: OpenTerms,
  chosen: ChosenMethod | undefined,
  frozen?: FrozenChoice,
): AsyncGenerator<BatchStage, void> {
  const scorer = await openScorer(options, labTasks, tokenizer);
  const score = () => scoreWritten(out, (folder) => writeSubject(subject, options, { out, folder }), scorer!, signal);
  const scoring = scorer && { tasks: scorer.tasks, score };
  const terms = { chosen, scoring, frozen, ...(!chosen?.method.arrange && { tokenizer }) };
  using stage = await BatchStage.open(options, subject, withMask(options, data), terms);
  yield stage;
  await subject.write(out);
  await chosen?.method.finish?.(chosen.options, out);
  if (options.lora && !data.head) await writeRecord(out, stage.prompts);
}

/** Adds the mask's contents to the data's hash, so that a run cannot resume with another mask. */
const withMask = ({ freezeMask }: TrainOptions, data: RunData): RunData =>
  freezeMask === undefined ? data : { ...data, hash: hashOf([data.hash, readText(freezeMask)]) };
