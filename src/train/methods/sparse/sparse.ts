import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import type { ActiveMethod, Method, MethodBill, MethodHost } from "../method.ts";
import { PruningMask } from "./mask.ts";
import { neuronsOf } from "./neurons.ts";
import { type SparseOptions, sparseOptions } from "./options.ts";
import { blocksOf, type PruningScope } from "./prunable.ts";
import { eventsUntil, keptAfter, type PruneSchedule, pruneSchedule } from "./schedule.ts";
import { shrinkModel } from "./shrink.ts";

/**
 * Sparse pre-training (arXiv 2501.12486): prunes weights of linear layers while the model trains. The values, gradients
 * and optimiser states of pruned weights are zero.
 */
export const sparse: Method<SparseOptions> = {
  name: "sparse",
  summary: "prune weights by magnitude while a model trains",
  options: sparseOptions,
  open(options, host) {
    const { lora, keepBest, ema } = host.options;
    if (lora) throw new UserError("sparse prunes only a model's own weights; omit lora", 2);
    const restoring = keepBest ? "keepBest" : ema === undefined ? undefined : "ema";
    if (restoring) throw new UserError(`sparse: ${restoring} could bring pruned weights back; omit it`, 2);
    return new SparseTraining(options, host);
  },
  async finish({ structure }, folder) {
    if (structure === "neuron") await shrinkModel(folder, folder);
  },
};

class SparseTraining implements ActiveMethod {
  readonly states: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  readonly #pruned: PruningScope;
  readonly #schedule: PruneSchedule;
  readonly #mask: PruningMask;

  constructor(
    private readonly options: SparseOptions,
    private readonly host: MethodHost,
  ) {
    const { store, steps } = host;
    this.#pruned = options.structure === "neuron" ? neuronsOf(store) : blocksOf(store, options);
    this.#schedule = pruneSchedule(options, steps);
    this.#mask = new PruningMask(store.trainedElements, this.#pruned.groups);
    this.states = { mask: new Float32Array(this.#mask.bytes.buffer) };
  }

  beforeStep(step: number): void {
    const event = eventsUntil(step, this.#schedule);
    if (event === eventsUntil(step - 1, this.#schedule)) return;
    this.#prune(event);
    const { store, optimizer } = this.host;
    for (const { memory } of [store.values, ...Object.values(optimizer.states)])
      this.#mask.apply(this.#trained(memory));
  }

  beforeUpdate(step: number): void {
    if (eventsUntil(step, this.#schedule) > 0) this.#mask.apply(this.#trained(this.host.store.gradients.memory));
  }

  #prune(event: number): void {
    const share = keptAfter(event, this.#schedule);
    if (this.options.score === "random") {
      const random = seededRandom(this.options.seed * this.#schedule.events + event);
      this.#mask.prune(share, random);
    } else {
      const values = this.#trained(this.host.store.values.memory);
      this.#mask.prune(share, (units, index) => units.magnitude(index, values));
    }
  }

  #trained(memory: ArrayBuffer): Float32Array {
    return new Float32Array(memory, 0, this.host.store.trainedElements);
  }

  /**
   * Counts three things: `parameters`, the prunable weights summed over the steps (divided by the number of steps: N̄);
   * `prunable`, the weights that remain in prunable matrices; `weights`, the weights that remain in the whole model.
   * FLOPs are counted for dense products, since zeros are multiplied like other numbers.
   */
  bill(steps: number): MethodBill {
    const first = this.#pruned.weights;
    const whole = this.host.store.parameters.reduce((sum, { shape }) => sum + volume(shape), 0);
    const weightsAt = (step: number) => this.#weightsLeft(step);
    const last = weightsAt(steps - 1);
    const run = Array.from({ length: steps }, (_, step) => weightsAt(step)).reduce((sum, count) => sum + count, 0);
    return {
      work: {
        parameters: { dense: first * steps, run },
        prunable: { dense: first, run: last },
        weights: { dense: whole, run: whole - first + last },
      },
    };
  }

  /** The number of prunable weights at step `step`. */
  #weightsLeft(step: number): number {
    const event = eventsUntil(step, this.#schedule);
    return event === 0 ? this.#pruned.weights : this.#mask.weightsLeft(keptAfter(event, this.#schedule));
  }
}

const volume = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
