import type { ParameterStore } from "../../../src/train/step/parameters.ts";

interface AdamTerms {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of matrices; vectors do not decay. */
  readonly decay: number;
}

/** AdamW over a store's trained parameters, which come first in its buffers. */
export class Adam {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly square: Float32Array<ArrayBuffer>;

  constructor(
    private readonly store: ParameterStore,
    private readonly terms: AdamTerms,
  ) {
    this.mean = new Float32Array(this.size);
    this.square = new Float32Array(this.size);
  }

  get size(): number {
    return this.store.trainedElements;
  }

  /** Updates the weights by gradients clipped to this norm; returns the norm that they had. */
  update(rate: number, step: number, clip: number): number {
    const { beta1, beta2, epsilon, decay } = this.terms;
    const gradients = new Float32Array(this.store.gradients.memory, 0, this.size);
    const values = new Float32Array(this.store.values.memory, 0, this.size);
    const { mean, square } = this;
    let sum = 0;
    for (let i = 0; i < gradients.length; i++) sum += gradients[i]! * gradients[i]!;
    const norm = Math.sqrt(sum);
    const factor = Math.min(1, clip / Math.max(norm, 1e-12));
    const [first, second] = [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)];
    const matrices = this.store.matrices.elements;
    for (let i = 0; i < values.length; i++) {
      const g = factor * gradients[i]!;
      mean[i] = beta1 * mean[i]! + (1 - beta1) * g;
      square[i] = beta2 * square[i]! + (1 - beta2) * g * g;
      const update = mean[i]! / first / (Math.sqrt(square[i]! / second) + epsilon);
      values[i]! -= rate * (update + (i < matrices ? decay * values[i]! : 0));
    }
    return norm;
  }
}
