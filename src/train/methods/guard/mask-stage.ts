import { sharesLeft } from "../../../models/image-generator/noise-schedule.ts";
import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import { epochOrder } from "../../data/order.ts";
import type { Stage, StepResult } from "../../session/stage.ts";
import { GradientNorm } from "../../step/gradient-norm.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import type { PassCost } from "../../step/passes.ts";
import { type ClassedImage, type NoisyImages, noisy } from "../noise/batches.ts";
import type { NoisePasses } from "../noise/noise-passes.ts";
import type { DrawingSubject } from "../noise/subject.ts";
import { MaskState } from "./mask-state.ts";
import type { GuardOptions } from "./options.ts";
import { type Gaps, upperWeights } from "./upper-loss.ts";

/** Both sides' images, with their class indices. */
export interface Sides {
  readonly illegal: readonly ClassedImage[];
  readonly innocent: readonly ClassedImage[];
}

/** The report of one mask-training step. */
interface MaskStep {
  readonly step: number;
  readonly steps: number;
  /** The mean of the shares m. */
  readonly ratio: number;
  /** The mean error of the step's images. */
  readonly loss: number;
}

export interface MaskTerms {
  readonly sides: Sides;
  readonly gaps: Gaps;
  readonly options: GuardOptions;
  readonly hash: string;
  readonly onStep?: ((step: MaskStep) => void) | undefined;
}

/**
 * A stage in which the publisher and the user take turns, each with its own update rule. The subject's store holds the
 * relearned values.
 */
export class MaskStage implements Stage {
  readonly name = "masks";
  readonly steps: number;
  readonly data: Stage["data"];
  readonly states: Stage["states"];
  readonly #mask: MaskState;
  readonly #store: ParameterStore;
  readonly #norm: GradientNorm;
  readonly #batchAt: ReturnType<typeof mixedBatches>;

  /** `published` holds the values before relearning. The caller owns the passes. */
  constructor(
    subject: DrawingSubject,
    published: Float32Array,
    private readonly passes: NoisePasses,
    private readonly terms: MaskTerms,
  ) {
    const { sides, options, hash } = terms;
    this.steps = options.steps;
    this.data = { hash };
    this.#store = subject.store;
    this.#norm = new GradientNorm(subject.store);
    const values = valuesOf(subject.store);
    const delta = published.map((value, i) => value - values[i]!);
    const slices = subject.store.parameters.map(({ name, shape, offset }) => ({
      ...{ name, offset },
      length: shape.reduce((a, b) => a * b, 1),
    }));
    const logits = Float64Array.from(slices, seededRandom(options.seed));
    this.#mask = new MaskState(slices, values, delta, logits, options);
    this.#batchAt = mixedBatches(sides, subject, options);
    this.states = { values, delta, logits: halvesOf(logits), shares: halvesOf(this.#mask.shares) };
  }

  /** The share m of each tensor. */
  get shares(): ReadonlyMap<string, number> {
    return new Map(this.#mask.slices.map(({ name }, i) => [name, this.#mask.shares[i]!]));
  }

  async step(i: number): Promise<StepResult> {
    const { options, gaps, onStep } = this.terms;
    const { images, illegal } = this.#batchAt(i);
    const publishes = i % options.userInterval === 0;
    const even = new Float32Array(illegal.length).fill(1 / illegal.length);
    this.#store.zeroGradients();
    const errors = await this.passes.weigh(images, publishes ? upperWeights(illegal, gaps) : even);
    const loss = errors.reduce((a, b) => a + b, 0) / errors.length;
    if (!Number.isFinite(loss))
      throw new UserError(
        `step ${i + 1}: the loss is ${loss}; check that the weights are finite, or use a smaller userLr`,
      );
    const gradients = new Float32Array(this.#store.gradients.memory);
    if (publishes) this.#mask.publish(gradients);
    else this.#mask.imitate(gradients);
    onStep?.({ step: i + 1, steps: this.steps, ratio: this.#mask.ratio, loss });
    const [rate, norm] = [publishes ? options.maskLr : options.userLr, await this.#norm.now()];
    const labelled = illegal.length;
    return { loss, rate, norm, labelled, tokens: labelled, samples: labelled };
  }

  takeCost(): PassCost {
    return this.passes.takeCost();
  }

  [Symbol.dispose](): void {
    this.#norm[Symbol.dispose]();
  }
}

/** All values of a store, as a view of its memory. */
export const valuesOf = (store: ParameterStore): Float32Array<ArrayBuffer> =>
  new Float32Array(store.values.memory, 0, store.trainedElements);

/** The memory of float64 numbers viewed as float32, the type of checkpoint buffers. */
const halvesOf = ({ buffer }: Float64Array<ArrayBuffer>): Float32Array<ArrayBuffer> => new Float32Array(buffer);

/** Returns batches drawn from both sides together, each determined by its index. */
function mixedBatches(
  { illegal, innocent }: Sides,
  { noise }: DrawingSubject,
  { batch, seed }: GuardOptions,
): (index: number) => { readonly images: NoisyImages; readonly illegal: boolean[] } {
  const all = [...illegal, ...innocent];
  const shares = sharesLeft(noise);
  const orderOf = epochOrder(all.length, seed);
  const batches = Math.ceil(all.length / batch);
  return (index) => {
    const order = orderOf(Math.floor(index / batches));
    const places = Array.from({ length: batch }, (_, i) => order[((index % batches) * batch + i) % all.length]!);
    const drawn = places.map((place) => all[place]!);
    const random = seededRandom((seed + 1) * 2 ** 26 + 2 ** 25 + index);
    return { images: noisy(drawn, shares, undefined, random), illegal: places.map((place) => place < illegal.length) };
  };
}
