import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { type AnswerForm, advance, isHeld, type PartReader } from "../channels/answer-form.ts";
import type { Hold } from "./constraint.ts";

interface Terms {
  /** Constrains a text that begins immediately. */
  readonly hold: Hold;
  /** Constrains a text that follows reasoning and begins with these bytes. */
  readonly after: (begun: Uint8Array) => Hold;
  readonly form: AnswerForm;
  readonly tokenizer: Tokenizer;
  /** True if the answer must not end with reasoning: text must follow. */
  readonly required: boolean;
}

/** Constrains the text of an answer, and leaves its reasoning unconstrained. */
export class TextHold implements Hold {
  constructor(
    private readonly terms: Terms,
    private readonly reader: PartReader = terms.form.reader(),
    private hold: Hold = terms.hold,
  ) {}

  restrict(logits: Float32Array): void {
    const { form, tokenizer, required } = this.terms;
    switch (this.reader.place) {
      case "reasoning":
      case "aside":
        if (required) for (const id of tokenizer.stopIds) logits[id] = Number.NEGATIVE_INFINITY;
        return;
      case "begin":
        restrictBut(form.opening, this.hold, logits);
        return;
      case "text":
        this.hold.restrict(logits);
    }
  }

  accept(token: number): void {
    const { form, tokenizer, after } = this.terms;
    const before = this.reader.place;
    const { text } = advance(this.reader, form, tokenizer, token);
    const { place } = this.reader;
    if (!isHeld(before) && isHeld(place)) this.hold = after(Buffer.from(text, "latin1"));
    else if (isHeld(before) && isHeld(place)) this.hold.accept(token);
  }

  get complete(): boolean {
    return this.reader.place === "text" && this.hold.complete;
  }

  fork(): TextHold {
    return new TextHold(this.terms, this.reader.fork(), this.hold.fork());
  }
}

/** Applies the restriction to all tokens except `free`. */
function restrictBut(free: number | undefined, hold: Hold, logits: Float32Array): void {
  const logit = free === undefined ? undefined : logits[free];
  hold.restrict(logits);
  if (logit !== undefined) logits[free!] = logit;
}
