import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { Constraint, type Hold } from "./constraint.ts";
import type { Grammar } from "./grammar.ts";

/** Constrains parts of an answer to a grammar; the rest is unconstrained. */
export interface Trigger {
  /** The ASCII text before constrained text. */
  readonly text: string;
  /** True if the first constrained text ends the answer. */
  readonly once: boolean;
}

/**
 * Leaves an answer unconstrained until it writes the trigger, then constrains the text after it, except white space, to
 * the grammar until the grammar ends.
 */
export class TriggeredGrammar implements Hold {
  /** The end of the unconstrained text, one character per byte. */
  #tail = "";
  #held: Constraint | undefined;
  #done = false;

  constructor(
    private readonly grammar: Grammar,
    private readonly trigger: Trigger,
    private readonly tokenizer: Tokenizer,
  ) {}

  restrict(logits: Float32Array): void {
    this.#held?.restrict(logits);
  }

  accept(token: number): void {
    if (this.#held) this.#held.accept(token);
    else this.#look(token);
    if (!this.#held?.complete) return;
    this.#held = undefined;
    this.#done = true;
  }

  fork(): TriggeredGrammar {
    const copy = new TriggeredGrammar(this.grammar, this.trigger, this.tokenizer);
    copy.#tail = this.#tail;
    copy.#held = this.#held?.fork();
    copy.#done = this.#done;
    return copy;
  }

  get complete(): boolean {
    return this.#done && this.trigger.once;
  }

  /**
   * A token may both end the trigger and begin the constrained text; if that text does not match, it is unconstrained.
   */
  #look(token: number): void {
    const { text } = this.trigger;
    const written = this.#tail + Buffer.from(this.tokenizer.bytes(token)).toString("latin1");
    const at = written.lastIndexOf(text);
    this.#tail = at < 0 ? written.slice(1 - text.length) : "";
    if (at < 0) return;
    const bytes = Buffer.from(written.slice(at + text.length).trimStart(), "latin1");
    const rest = this.grammar.afterBytes(this.grammar.spaced, bytes);
    if (rest) this.#held = new Constraint(this.grammar, rest);
  }
}
