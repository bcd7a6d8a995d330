import type { MaskOptions } from "./options.ts";

/** A whole model's parameters, in float32 or, for tests, float64. */
export type Numbers = Float32Array | Float64Array;

/** The location of a tensor among a model's parameters. */
export interface Slice {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** Logits are clamped to ± this bound, so that a decided tensor can still change sides. */
const MOST = 1;

export type MaskTerms = Pick<MaskOptions, "temperature" | "freezeRatio" | "maskLr" | "ratioPenalty" | "userLr">;

/**
 * A soft mask over a model's tensors, and an imitated user who fine-tunes the model (FreezeAsGuard, section 3.3 and
 * official code). With a share m per tensor, the model is θ = θ_ft + m ⊙ Δ with Δ = θ_pre − θ_ft: only θ and Δ are
 * stored. θ_pre never changes.
 */
export class MaskState {
  /** The shares m, one per tensor; a share near 1 preserves the tensor's published values. */
  readonly shares: Float64Array<ArrayBuffer>;

  /**
   * `theta` holds the fine-tuned values and becomes the masked model's values; `delta` holds published minus fine-tuned
   * values; `logits` holds one number per tensor. All three change in place.
   */
  constructor(
    readonly slices: readonly Slice[],
    readonly theta: Numbers,
    readonly delta: Numbers,
    readonly logits: Float64Array,
    private readonly terms: MaskTerms,
  ) {
    this.shares = new Float64Array(slices.length);
    this.#follow();
  }

  /** The mean of the shares: a soft ratio of frozen tensors. */
  get ratio(): number {
    return this.shares.reduce((sum, m) => sum + m, 0) / this.shares.length;
  }

  /** ⟨Δ, g⟩ for each tensor: the derivative of a loss with gradient g with respect to the tensor's share. */
  along(gradient: Numbers): Float64Array {
    return Float64Array.from(this.slices, ({ offset, length }) => {
      let sum = 0;
      for (let i = offset; i < offset + length; i++) sum += this.delta[i]! * gradient[i]!;
      return sum;
    });
  }

  /** The derivative of m with respect to each logit. */
  slopes(): Float64Array {
    return this.shares.map((m) => (m * (1 - m)) / this.terms.temperature);
  }

  /** The gradient of the penalty c · (ρ − mean m)² with respect to each logit. */
  penalty(): Float64Array {
    const { ratioPenalty, freezeRatio } = this.terms;
    const each = (2 * ratioPenalty * (this.ratio - freezeRatio)) / this.shares.length;
    return this.slopes().map((slope) => each * slope);
  }

  /** The publisher's step: moves the mask against the upper loss's gradient, and updates the model. */
  publish(gradient: Numbers): void {
    const [along, slopes, penalty] = [this.along(gradient), this.slopes(), this.penalty()];
    for (let i = 0; i < this.logits.length; i++) {
      const moved = this.logits[i]! - this.terms.maskLr * along[i]! * slopes[i]! - penalty[i]!;
      this.logits[i] = Math.max(-MOST, Math.min(MOST, moved));
    }
    this.#follow();
  }

  /** The user's step: plain gradient descent on the fine-tuned values, with the loss's gradient at the masked model. */
  imitate(gradient: Numbers): void {
    const { theta, delta } = this;
    for (const [t, { offset, length }] of this.slices.entries()) {
      const free = 1 - this.shares[t]!;
      for (let i = offset; i < offset + length; i++) {
        const change = -this.terms.userLr * free * gradient[i]!;
        theta[i]! += free * change;
        delta[i]! -= change;
      }
    }
  }

  /** Recomputes shares from logits, and the model from shares. */
  #follow(): void {
    for (const [t, { offset, length }] of this.slices.entries()) {
      const share = 1 / (1 + Math.exp(-this.logits[t]! / this.terms.temperature));
      const more = share - this.shares[t]!;
      this.shares[t] = share;
      for (let i = offset; i < offset + length; i++) this.theta[i]! += more * this.delta[i]!;
    }
  }
}
