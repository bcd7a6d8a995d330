import type { SamplingOptions } from "./options.ts";

type PenaltyOptions = Pick<
  SamplingOptions,
  "repetitionPenalty" | "repetitionWindow" | "frequencyPenalty" | "presencePenalty"
>;

function add(counts: Map<number, number>, id: number, n: 1 | -1): void {
  const count = (counts.get(id) ?? 0) + n;
  if (count === 0) counts.delete(id);
  else counts.set(id, count);
}

/**
 * Penalties on the next logits for the tokens so far. The repetition penalty (CTRL, Keskar et al. 2019, section 4.1)
 * covers the last `repetitionWindow` tokens, including the prompt's, as in Transformers, vLLM and llama.cpp; the
 * frequency and presence penalties cover only generated tokens (OpenAI API).
 */
export class Penalties {
  /** True if `apply` can change anything. */
  readonly active: boolean;
  readonly #options: PenaltyOptions;
  #generated = new Map<number, number>();
  #recent = new Map<number, number>();
  #window: number[] = [];
  #oldest = 0;

  constructor(options: PenaltyOptions, prompt: ArrayLike<number>) {
    this.#options = options;
    this.active = options.repetitionPenalty !== 1 || options.frequencyPenalty !== 0 || options.presencePenalty !== 0;
    for (let i = Math.max(0, prompt.length - options.repetitionWindow); i < prompt.length; i++) this.#slide(prompt[i]!);
  }

  /** An independent copy. */
  fork(): Penalties {
    const copy = new Penalties(this.#options, []);
    copy.#generated = new Map(this.#generated);
    copy.#recent = new Map(this.#recent);
    copy.#window = [...this.#window];
    copy.#oldest = this.#oldest;
    return copy;
  }

  /** Counts a generated token. */
  accept(id: number): void {
    add(this.#generated, id, 1);
    this.#slide(id);
  }

  /** Changes `logits` [vocabulary] in place. */
  apply(logits: Float32Array): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#options;
    for (const id of this.#recent.keys()) {
      logits[id] = logits[id]! > 0 ? logits[id]! / repetitionPenalty : logits[id]! * repetitionPenalty;
    }
    for (const [id, count] of this.#generated) logits[id]! -= count * frequencyPenalty + presencePenalty;
  }

  /** Adds `id` to the window, a ring buffer that overwrites its oldest token once full. */
  #slide(id: number): void {
    const oldest = this.#window[this.#oldest];
    if (oldest !== undefined) add(this.#recent, oldest, -1);
    add(this.#recent, id, 1);
    this.#window[this.#oldest] = id;
    this.#oldest = (this.#oldest + 1) % this.#options.repetitionWindow;
  }
}
