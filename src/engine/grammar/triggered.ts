import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { Constraint, type Hold } from "./constraint.ts";
import type { Grammar } from "./grammar.ts";

/** Texts in an answer that are held to a grammar, the rest of which is free. */
export interface Trigger {
  /** The ASCII text after which constrained text begins. */
  readonly text: string;
  /** True if the first constrained text ends the answer. */
  readonly once: boolean;
}

/** Leaves an answer free until it writes the trigger; what follows, after white space or at once, is held to the grammar to its end. */
export class Triggered implements Hold {
  /** The end of what was written freely, a character a byte. */
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

  get complete(): boolean {
    return this.#done && this.trigger.once;
  }

  /** A token may end the trigger and begin what follows; what the grammar does not know of that stays free. */
  #look(token: number): void {
    const { text } = this.trigger;
    const written = this.#tail + Buffer.from(this.tokenizer.bytes(token)).toString("latin1");
    const at = written.lastIndexOf(text);
    this.#tail = at < 0 ? written.slice(1 - text.length) : "";
    if (at < 0) return;
    const begun = Buffer.from(written.slice(at + text.length).trimStart(), "latin1");
    const rest = this.grammar.afterBytes(this.grammar.spaced, begun);
    if (rest) this.#held = new Constraint(this.grammar, rest);
  }
}
