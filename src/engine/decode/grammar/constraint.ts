import { UserError } from "../../../util/errors.ts";
import type { Node } from "./forest.ts";
import type { Grammar } from "./grammar.ts";

/** Constrains the tokens of one answer. */
export interface Hold {
  /**
   * Sets `logits` [vocabulary] of disallowed tokens to −Infinity.
   * @throws UserError if no token is allowed
   */
  restrict(logits: Float32Array): void;
  /** Advances by a chosen token. */
  accept(token: number): void;
  /** True if the answer is complete and nothing can be added to it. */
  readonly complete: boolean;
  /** An independent copy. */
  fork(): Hold;
}

/** Constrains one answer to a grammar, token by token; `rest` is the part still to come. */
export class Constraint implements Hold {
  #rest: Node;

  constructor(
    private readonly grammar: Grammar,
    rest: Node = grammar.root,
  ) {
    this.#rest = rest;
  }

  restrict(logits: Float32Array): void {
    const mask = this.grammar.mask(this.#rest);
    let anyAllowed = false;
    for (let word = 0; 32 * word < logits.length; word++) {
      const bits = mask[word] ?? 0;
      if (bits === ~0 >>> 0) anyAllowed = true;
      else if (bits === 0) logits.fill(Number.NEGATIVE_INFINITY, 32 * word, 32 * (word + 1));
      else {
        anyAllowed = true;
        const end = Math.min(logits.length, 32 * (word + 1));
        for (let id = 32 * word; id < end; id++) if (!((bits >>> (id & 31)) & 1)) logits[id] = Number.NEGATIVE_INFINITY;
      }
    }
    if (!anyAllowed) throw new UserError("no token of the model continues the required format");
  }

  accept(token: number): void {
    const rest = this.grammar.after(this.#rest, token);
    if (!rest) throw new Error(`the grammar does not allow the chosen token ${token}`);
    this.#rest = rest;
  }

  fork(): Constraint {
    return new Constraint(this.grammar, this.#rest);
  }

  get complete(): boolean {
    return this.#rest.kind === "empty";
  }
}
