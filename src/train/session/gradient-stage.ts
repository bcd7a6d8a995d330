import type { Buffer } from "../../runtime/buffer.ts";
import type { TrainOptions } from "../options.ts";
import { GradientNorm } from "../step/gradient-norm.ts";
import { clipFactor, type Optimizer } from "../step/optimizer.ts";
import type { ParameterStore } from "../step/parameters.ts";
import { holdWeights } from "../step/precision.ts";
import { rateAt } from "../step/schedule.ts";
import { Spike } from "./spike.ts";
import type { Stage, StageCost, StepResult, UpdateCounters } from "./stage.ts";

export type GradientOptions = Pick<TrainOptions, "optimizer" | "schedule" | "clip" | "spikes" | "precision">;

/** A step's gradients, before the update. */
export type Gradients = Omit<StepResult, "rate" | "norm" | "skipped">;

/** A stage whose weights an optimiser updates. It owns the optimiser. */
export abstract class GradientStage implements Stage {
  abstract readonly steps: number;
  abstract readonly data: Stage["data"];
  readonly #norm: GradientNorm;

  protected constructor(
    protected readonly options: GradientOptions,
    readonly store: ParameterStore,
    readonly optimizer: Optimizer,
    readonly name = "",
  ) {
    this.#norm = new GradientNorm(store);
  }

  /** Computes the gradients of step `i` and leaves them in the store. */
  protected abstract gradients(i: number, counters: UpdateCounters): Promise<Gradients>;
  abstract takeCost(): StageCost;

  get states(): Stage["states"] {
    const trained = ({ memory }: Buffer) => new Float32Array(memory, 0, this.store.trainedElements);
    const own = Object.entries(this.optimizer.states).map(([name, buffer]) => [name, trained(buffer)] as const);
    return { values: trained(this.store.values), ...Object.fromEntries(own) };
  }

  get updateFlops(): number {
    return this.optimizer.cost.flops;
  }

  async step(i: number, counters: UpdateCounters): Promise<StepResult> {
    const gradients = await this.gradients(i, counters);
    const norm = await this.#norm.now();
    const rate = this.options.optimizer.lr * rateAt(this.options.schedule, i, this.steps);
    const result = { ...gradients, norm, rate };
    if (await this.#update(i, result, counters)) return result;
    return { ...result, skipped: true };
  }

  /** Updates the weights; returns false if it skips the step. */
  async #update(i: number, { loss, norm, rate }: StepResult, counters: UpdateCounters): Promise<boolean> {
    const { precision, spikes, clip } = this.options;
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      const overflow = precision === "amp-fp16" && Number.isFinite(loss);
      if (spikes === "stop" && !overflow) throw new Spike(i + 1, loss, norm, rate);
      counters.skipped++;
      return false;
    }
    counters.updates++;
    await this.optimizer.step({ count: counters.updates, rate, clip: clipFactor(norm, clip) });
    holdWeights(new Float32Array(this.store.values.memory, 0, this.store.trainedElements), precision);
    return true;
  }

  [Symbol.dispose](): void {
    for (const part of [this.#norm, this.optimizer]) part[Symbol.dispose]();
  }
}
