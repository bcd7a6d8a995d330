import { sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { epochOrder } from "../../data/order.ts";
import { trainOptions } from "../../options.ts";
import { TrainingRun } from "../../session/run.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { type ClassedImage, type NoisyImages, noisy, noisyBatches } from "../noise/batches.ts";
import type { NoisePasses } from "../noise/noise-passes.ts";
import { type DrawingSubject, oldDrawing } from "../noise/subject.ts";
import { MaskState } from "./mask-state.ts";
import type { GuardOptions } from "./options.ts";
import { type Gaps, PAPER, upperWeights } from "./upper-loss.ts";

/** A step of learning a mask. */
interface GuardStep {
  readonly step: number;
  readonly steps: number;
  /** m's mean. */
  readonly ratio: number;
  /** Mean errors of the step's images. */
  readonly loss: number;
}

/** The images of both sides, with the numbers of their classes. */
export interface Sides {
  readonly illegal: readonly ClassedImage[];
  readonly innocent: readonly ClassedImage[];
}

/** A learned mask: m of each tensor, and what learning cost. */
export interface LearnedShares {
  readonly shares: ReadonlyMap<string, number>;
  readonly work: {
    readonly forward: number;
    readonly backward: number;
    readonly tokens: number;
    readonly samples: number;
    readonly steps: number;
  };
  readonly gaps: Gaps;
}

export interface GuardTerms {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: GuardStep) => void) | undefined;
}

/** Learns the mask of a published model: relearning, then the alternation of publisher and user. */
export async function learnShares(
  checkpoint: Checkpoint,
  sides: Sides,
  options: GuardOptions,
  terms: GuardTerms = {},
): Promise<LearnedShares> {
  const subject = oldDrawing(checkpoint, { train: [], freezeMask: undefined });
  const published = valuesOf(subject.store).slice();
  using relearning = await openRelearning(subject, sides, options);
  while (!relearning.ended) {
    terms.signal?.throwIfAborted();
    await relearning.step();
  }
  using passes = await subject.openPasses();
  const gaps = options.upperLoss === "paper" ? PAPER : await gapsOf(subject, passes, sides, published, options);
  const state = stateOf(subject.store, published, options);
  await alternate(state, subject, passes, { sides, gaps, options, terms });
  const { forward, backward } = passes.takeCost();
  const { counters, done } = relearning;
  const samples = counters.samples + options.steps * options.batch;
  return {
    shares: new Map(state.slices.map(({ name }, i) => [name, state.shares[i]!])),
    work: {
      forward: forward + counters.forward,
      backward: backward + counters.backward,
      ...{ tokens: samples, samples, steps: done + options.steps },
    },
    gaps,
  };
}

/** The state before the first step: the store holds the relearned values. */
function stateOf(store: ParameterStore, published: Float32Array, options: GuardOptions): MaskState {
  const theta = valuesOf(store);
  const delta = published.map((value, i) => value - theta[i]!);
  const slices = store.parameters.map(({ name, shape, offset }) => ({
    ...{ name, offset },
    length: shape.reduce((a, b) => a * b, 1),
  }));
  return new MaskState(slices, theta, delta, Float64Array.from(slices, seededRandom(options.seed)), options);
}

/** All values of a store, its memory. */
const valuesOf = (store: ParameterStore): Float32Array =>
  new Float32Array(store.values.memory, 0, store.trainedElements);

/** The fine-tuning on both sides. The run owns the subject. */
async function openRelearning(
  subject: DrawingSubject,
  { illegal, innocent }: Sides,
  { model, batch, seed, relearnSteps, relearnLr }: GuardOptions,
): Promise<TrainingRun> {
  const { noise } = subject;
  const { unconditional } = subject.model;
  const training = noisyBatches([...illegal, ...innocent], { size: batch, noise, unconditional, seed });
  const options = trainOptions.parse({
    ...{ model, data: ["both"], batch, seed, steps: relearnSteps },
    optimizer: { lr: relearnLr, weightDecay: 0, beta2: 0.999 },
    schedule: { name: "constant" },
  });
  return TrainingRun.open(options, subject, { training, heldOut: undefined, hash: "" });
}

/** The gain of relearning on each side: the published model's mean error less the relearned one's, on the same noise. */
async function gapsOf(
  subject: DrawingSubject,
  passes: NoisePasses,
  { illegal, innocent }: Sides,
  published: Float32Array,
  { batch }: GuardOptions,
): Promise<Gaps> {
  const errors = async () => ({
    illegal: await meanError(passes, subject, illegal, batch),
    innocent: await meanError(passes, subject, innocent, batch),
  });
  const after = await errors();
  const values = valuesOf(subject.store);
  const relearned = values.slice();
  values.set(published);
  const before = await errors();
  values.set(relearned);
  // Without a gain there is nothing to weigh by.
  const gap = (side: keyof Gaps) => Math.max(before[side] - after[side], 1e-3);
  return { illegal: gap("illegal"), innocent: gap("innocent") };
}

/** The mean error on images, each with the same noise each time. */
export async function meanError(
  passes: NoisePasses,
  { noise }: Pick<DrawingSubject, "noise">,
  images: readonly ClassedImage[],
  size: number,
): Promise<number> {
  const data = noisyBatches(images, { size, noise, unconditional: undefined, seed: undefined });
  let [sum, count] = [0, 0];
  for (let i = 0; i < data.batches; i++) {
    const errors = await passes.errors(data.batch(i).drawings!);
    sum += errors.reduce((a, b) => a + b, 0);
    count += errors.length;
  }
  return sum / count;
}

interface Alternation {
  readonly sides: Sides;
  readonly gaps: Gaps;
  readonly options: GuardOptions;
  readonly terms: GuardTerms;
}

async function alternate(
  state: MaskState,
  subject: DrawingSubject,
  passes: NoisePasses,
  { sides, gaps, options, terms }: Alternation,
): Promise<void> {
  const { store } = subject;
  const gradients = new Float32Array(store.gradients.memory);
  const batchAt = mixedBatches(sides, subject, options);
  for (let step = 0; step < options.steps; step++) {
    terms.signal?.throwIfAborted();
    const { images, illegal } = batchAt(step);
    const publishes = step % options.userInterval === 0;
    const even = new Float32Array(illegal.length).fill(1 / illegal.length);
    store.zeroGradients();
    const errors = await passes.weigh(images, publishes ? upperWeights(illegal, gaps) : even);
    const loss = errors.reduce((a, b) => a + b, 0) / errors.length;
    if (!Number.isFinite(loss))
      throw new UserError(`step ${step + 1}: the loss is ${loss}; expected finite weights, or a smaller userLr`);
    if (publishes) state.publish(gradients);
    else state.imitate(gradients);
    terms.onStep?.({ step: step + 1, steps: options.steps, ratio: state.ratio, loss });
  }
}

/** Batches drawn from both sides together, each a function of its index. */
function mixedBatches(
  { illegal, innocent }: Sides,
  { noise }: DrawingSubject,
  { batch, seed }: GuardOptions,
): (index: number) => { readonly images: NoisyImages; readonly illegal: boolean[] } {
  const all = [...illegal, ...innocent];
  const left = sharesLeft(noise);
  const orderOf = epochOrder(all.length, seed);
  const batches = Math.ceil(all.length / batch);
  return (index) => {
    const order = orderOf(Math.floor(index / batches));
    const places = Array.from({ length: batch }, (_, i) => order[((index % batches) * batch + i) % all.length]!);
    const drawn = places.map((place) => all[place]!);
    const random = seededRandom((seed + 1) * 2 ** 26 + 2 ** 25 + index);
    return { images: noisy(drawn, left, undefined, random), illegal: places.map((place) => place < illegal.length) };
  };
}
