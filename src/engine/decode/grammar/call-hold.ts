import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { type AnswerForm, markOf, type PartReader } from "../channels/answer-form.ts";
import { Constraint, type Hold } from "./constraint.ts";
import type { Node } from "./forest.ts";
import type { Grammar } from "./grammar.ts";

/** Constrains the arguments of calls that are separate from an answer's text; leaves all other tokens unconstrained. */
export class CallHold implements Hold {
  /** The rest of the open call; undefined outside calls, and in a call of an unknown function. */
  #rest: Node | undefined;

  /** `grammar`: calls as `{"name", "arguments"}`. */
  constructor(
    private readonly grammar: Grammar,
    private readonly form: AnswerForm,
    private readonly tokenizer: Tokenizer,
    private readonly reader: PartReader = form.reader(),
  ) {}

  restrict(logits: Float32Array): void {
    if (!this.#rest) return;
    if (!this.#isWhole(this.#rest)) new Constraint(this.grammar, this.#rest).restrict(logits);
    else
      for (let id = 0; id < logits.length; id++) if (!this.grammar.stops.has(id)) logits[id] = Number.NEGATIVE_INFINITY;
  }

  accept(token: number): void {
    const before = this.reader.call;
    const mark = markOf(this.form, this.tokenizer, token);
    this.reader.push(mark === undefined ? Buffer.from(this.tokenizer.bytes(token)).toString("latin1") : "", mark);
    const { call } = this.reader;
    if (call === undefined) this.#rest = undefined;
    else if (before === undefined) this.#rest = this.#argumentsOf(call);
    else this.#rest &&= this.grammar.after(this.#rest, token);
  }

  get complete(): boolean {
    return false;
  }

  fork(): CallHold {
    const copy = new CallHold(this.grammar, this.form, this.tokenizer, this.reader.fork());
    copy.#rest = this.#rest;
    return copy;
  }

  #argumentsOf(name: string): Node | undefined {
    const head = `{"name":${JSON.stringify(name)},"arguments":`;
    return this.grammar.afterBytes(this.grammar.root, Buffer.from(head));
  }

  /** True if the call lacks only its last brace, which the message omits. */
  #isWhole(rest: Node): boolean {
    return this.grammar.afterBytes(rest, Buffer.from("}"))?.nullable === true;
  }
}
