import { UserError } from "../../../util/errors.ts";
import type { Sampler } from "../sampling/sampler.ts";

/** Tokens that are drafted ahead of an answer, until the model's own logits confirm them. */
export class Guesses {
  readonly ids: number[] = [];
  #ended = false;

  /** `sampler`: a fork of the answer's; `ends` tells the tokens that end it. */
  constructor(
    private readonly sampler: Sampler,
    private readonly ends: (id: number) => boolean,
  ) {}

  /** True if nothing can follow the last one. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Drafts a token; none if these logits let none come, which only the model's own may complain of. */
  add(logits: Float32Array): void {
    try {
      const { id } = this.sampler.sample(logits);
      this.ids.push(id);
      if (!this.ends(id)) this.sampler.accept(id);
      this.#ended = this.ends(id) || this.sampler.complete;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#ended = true;
    }
  }
}
