import { OptionError, type UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Hold } from "../grammar/index.ts";
import { everyToken, scratchFor } from "./candidates.ts";
import { draw, weightOf } from "./draw.ts";
import { minP, topK, topP } from "./filters.ts";
import { logprobs, type TokenLogprob } from "./logprobs.ts";
import type { SamplingOptions } from "./options.ts";
import { Penalties } from "./penalties.ts";
import { argmax } from "./softmax.ts";

/** A chosen token; `logprob` and `top` are present if the `logprobs` option is set. */
export interface Sampled {
  id: number;
  logprob?: number;
  top?: TokenLogprob[];
}

/**
 * Chooses one sequence's tokens, in the order of steps documented in `samplingOptions`. `prompt`: the ids before the
 * first generated token, for the repetition penalty. The same options, seed, prompt and logits give the same tokens;
 * each draw uses one random number, and greedy decoding uses none.
 */
export class Sampler {
  readonly #options: SamplingOptions;
  readonly #penalties: Penalties;
  readonly #bias: [id: number, bias: number][];
  readonly #draws: Draws;

  /** `constraint` restricts the tokens; `from`: another sampler's state, which this sampler continues. */
  constructor(
    options: SamplingOptions,
    prompt: ArrayLike<number> = [],
    private readonly constraint?: Hold,
    from?: { readonly penalties: Penalties; readonly draws: Draws },
  ) {
    this.#options = options;
    this.#penalties = from?.penalties ?? new Penalties(options, prompt);
    this.#bias = Object.entries(options.logitBias).map(([id, bias]) => [Number(id), bias]);
    this.#draws = from?.draws ?? new Draws(seededRandom(options.seed ?? Math.floor(Math.random() * 2 ** 53)));
  }

  /** A copy that draws the same numbers: from equal logits, it chooses the same tokens. It has no log-probabilities. */
  fork(): Sampler {
    const from = { penalties: this.#penalties.fork(), draws: this.#draws.fork() };
    return new Sampler({ ...this.#options, logprobs: undefined }, [], this.constraint?.fork(), from);
  }

  /** True if the constraint allows no further token. */
  get complete(): boolean {
    return this.constraint?.complete === true;
  }

  /** Chooses the next token; does not change `logits` [vocabulary]. @throws UserError for NaN, or an unknown id */
  sample(logits: Float32Array): Sampled {
    const id = this.#choose(this.#adjust(logits));
    return this.#options.logprobs === undefined ? { id } : logprobs(logits, id, this.#options.logprobs);
  }

  /**
   * The natural log-probability of `id` in the distribution before filters: after penalties, bias and temperature,
   * which is above 0. Filters are ignored, because a token that a filter removes would have no probability.
   */
  logprobOf(logits: Float32Array, id: number): number {
    const adjusted = this.#adjust(logits);
    const { temperature } = this.#options;
    const best = adjusted[argmax(adjusted)]!;
    const all = everyToken(adjusted, best, temperature);
    return (adjusted[id]! - best) / temperature - Math.log(weightOf(all, 0, all.count));
  }

  /** Counts `id` as generated, for the penalties of later tokens. */
  accept(id: number): void {
    this.#penalties.accept(id);
    this.constraint?.accept(id);
  }

  /** `logits` after penalties, bias and constraint. */
  #adjust(logits: Float32Array): Float32Array {
    if (!this.#penalties.active && this.#bias.length === 0 && !this.constraint) return logits;
    const { adjusted } = scratchFor(logits.length);
    adjusted.set(logits);
    this.#penalties.apply(adjusted);
    for (const [id, bias] of this.#bias) {
      if (id >= logits.length) throw outside(id, logits.length);
      adjusted[id]! += bias;
    }
    this.constraint?.restrict(adjusted);
    return adjusted;
  }

  #choose(logits: Float32Array): number {
    const { temperature, topK: k, topP: p, minP: share } = this.#options;
    const best = argmax(logits);
    if (temperature === 0) return best;
    const all = everyToken(logits, logits[best]!, temperature);
    return draw(minP(topP(topK(all, k), p), share), this.#draws.next());
  }
}

const outside = (id: number, vocabulary: number): UserError =>
  new OptionError("logitBias", `names token ${id}, but the model's vocabulary ends at ${vocabulary - 1}`);

/** Random numbers that can be previewed before they are drawn. */
class Draws {
  /** Numbers previewed but not drawn yet. */
  readonly #ahead: number[] = [];

  constructor(private readonly random: () => number) {}

  next(): number {
    return this.#ahead.shift() ?? this.random();
  }

  /** A preview of the next numbers, which remain to be drawn from this object. Valid until the next draw. */
  fork(): Draws {
    let at = 0;
    return new Draws(() => {
      this.#ahead[at] ??= this.random();
      return this.#ahead[at++]!;
    });
  }
}
