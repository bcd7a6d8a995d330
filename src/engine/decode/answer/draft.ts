import { UserError } from "../../../util/errors.ts";
import { StopStrings, type Tokenizer, TokenStream } from "../../../weights/tokenizer/index.ts";
import { type AnswerForm, joinedParts, markOf, NOTHING, type PartReader, type Parts } from "../channels/answer-form.ts";
import { ReasoningLimit } from "../channels/reasoning-limit.ts";
import type { Hold } from "../grammar/index.ts";
import { Sampler } from "../sampling/sampler.ts";
import type { FinishReason, GenerateOptions, Piece } from "./generate.ts";
import { Repetition } from "./repetition.ts";

/** Tokens drafted ahead of an answer, until the model's own logits confirm them. */
export class Guesses {
  readonly ids: number[] = [];
  #ended = false;

  /** `sampler`: a fork of the answer's sampler; `ends`: whether a token ends the answer. */
  constructor(
    private readonly sampler: Sampler,
    private readonly ends: (id: number) => boolean,
  ) {}

  /** True if nothing can follow the last draft. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Drafts a token, or ends the draft if these logits allow none: the model's own logits may still allow one. */
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

/** A piece without its request's usage. */
export interface UnbilledPiece extends Omit<Piece, "finish"> {
  /** The reason why this piece is the last; absent if more pieces follow. */
  readonly reason: FinishReason | undefined;
}

/** The part of an answer that a piece adds. */
type PieceDelta = Pick<Piece, "text" | "reasoning" | "reasoningTokens" | "tokens">;

/** Joins consecutive pieces. */
export function joinedPieces(all: readonly PieceDelta[]): PieceDelta {
  const reasoning = all.map((piece) => piece.reasoning ?? "").join("");
  const reasoningTokens = all.at(-1)?.reasoningTokens;
  return {
    text: all.map(({ text }) => text).join(""),
    tokens: all.flatMap(({ tokens }) => tokens),
    ...(reasoning !== "" && { reasoning }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
  };
}

/** The outcome of checking drafts: tokens chosen from the model's own logits. */
export interface VerifiedPiece extends UnbilledPiece {
  /** The number of logits used: one more than the number of correct drafts. */
  readonly used: number;
  /** The number of correct drafts. */
  readonly right: number;
}

/** `constraint`, limited by the reasoning budget, if any. */
function limited(
  { form, thinkingTokenBudget: budget }: GenerateOptions,
  tokenizer: Tokenizer,
  constraint: Hold | undefined,
): Hold | undefined {
  if (budget === undefined || form === undefined) return constraint;
  // A format may forbid white space before the text.
  const text = constraint ? form.closing.trimEnd() : form.closing;
  const closing = tokenizer.encode(text, { special: true });
  return new ReasoningLimit({ form, tokenizer, budget, closing }, constraint);
}

/** A growing answer: its tokens, chosen from logits, and the part of its text that is certain. */
export class Draft {
  readonly #sampler: Sampler;
  readonly #constraint: Hold | undefined;
  readonly #stream: TokenStream;
  readonly #stops: StopStrings;
  /** Undefined if the answer is undivided text. */
  readonly #parts: PartReader | undefined;
  readonly #form: AnswerForm | undefined;
  readonly #repetition: Repetition | undefined;
  readonly #observe: GenerateOptions["observe"];
  readonly #end: number | undefined;
  /** The number of tokens so far. */
  completion = 0;
  /** The number of reasoning tokens so far, including the tags. */
  #reasoningTokens = 0;
  #last = 0;
  #guesses: Guesses | undefined;

  /** `before`: the ids for the repetition penalty; `most`: the maximum number of tokens. */
  constructor(
    private readonly tokenizer: Tokenizer,
    options: GenerateOptions,
    before: readonly number[],
    private readonly most: number,
  ) {
    this.#constraint = options.grammar?.hold(tokenizer, options.trigger, options.form);
    this.#sampler = new Sampler(options, before, limited(options, tokenizer, this.#constraint));
    this.#stream = new TokenStream(tokenizer, options.continues !== true, options.shown);
    this.#stops = new StopStrings(options.stop);
    this.#parts = options.form?.reader();
    this.#form = options.form;
    this.#repetition = options.repetitionDetection && !this.#constraint ? new Repetition() : undefined;
    this.#observe = options.observe;
    this.#end = options.end;
  }

  /** Chooses a token from the last step's logits; if `last`, the answer ends with it. */
  take(logits: Float32Array, last = false): UnbilledPiece {
    // The sampler may modify the logits.
    this.#observe?.(logits);
    const token = this.#sampler.sample(logits);
    this.completion++;
    const ended = this.#ends(token.id);
    const read = ended ? NOTHING : this.#read(token.id);
    const parts = { ...read, text: this.#stops.push(read.text) };
    if (!ended) this.#sampler.accept(token.id);
    const loops = this.#repetition?.push(token.id, read.reasoning + read.text) === true;
    const reason = this.#reason(ended || this.#constraint?.complete === true, loops, last);
    if (reason) return { ...this.#shown(joinedParts(parts, this.#flush()), true), tokens: [token], reason };
    this.#last = token.id;
    return { ...this.#shown(parts), tokens: [token], reason };
  }

  /** Reads the part of the answer that a token adds. */
  #read(id: number): Parts {
    const mark = this.#form && markOf(this.#form, this.tokenizer, id);
    const text = mark === undefined ? this.#stream.push(id) : "";
    if (!this.#parts) return { ...NOTHING, text };
    const before = this.#parts.place;
    const parts = this.#parts.push(text, mark);
    if (before === "reasoning" || this.#parts.place === "reasoning") this.#reasoningTokens++;
    return parts;
  }

  /** Converts the parts to a piece; the last piece includes the total number of reasoning tokens. */
  #shown({ text, reasoning }: Parts, last = false): Omit<PieceDelta, "tokens"> {
    return {
      text,
      ...(reasoning !== "" && { reasoning }),
      ...(last && this.#parts && { reasoningTokens: this.#reasoningTokens }),
    };
  }

  /** Drafts the next token from logits that are not the model's own. */
  guess(logits: Float32Array): void {
    this.#guesses ??= new Guesses(this.#sampler.fork(), (id) => this.#ends(id));
    this.#guesses.add(logits);
  }

  /**
   * Replaces the drafts with tokens chosen from the model's own logits, in order, until one differs. `ahead`: drafts
   * made without logits.
   */
  check(rows: readonly Float32Array[], last = false, ahead?: readonly number[]): VerifiedPiece {
    const guessed = ahead ?? this.#guesses?.ids ?? [];
    this.#guesses = undefined;
    const all: UnbilledPiece[] = [];
    let right = 0;
    for (const [i, logits] of rows.entries()) {
      const added = this.take(logits, last);
      all.push(added);
      if (added.tokens[0]!.id !== guessed[i]) break;
      right++;
      if (added.reason) break;
    }
    return { ...joinedPieces(all), reason: all.at(-1)!.reason, used: all.length, right };
  }

  /** The next token for the model, possibly a draft; undefined if nothing can follow the last draft. */
  get next(): number | undefined {
    if (this.#guesses?.ended) return undefined;
    return this.#guesses?.ids.at(-1) ?? this.#last;
  }

  /** The number of tokens that may still follow. */
  get left(): number {
    return this.most - this.completion;
  }

  #ends(id: number): boolean {
    return this.tokenizer.stopIds.has(id) || id === this.#end;
  }

  /** The last piece of an answer to which no token was added: the text held back, except an incomplete character. */
  end(): Omit<PieceDelta, "tokens"> {
    return this.#shown(this.#flush(), true);
  }

  #flush(): Parts {
    const { text, reasoning } = this.#parts?.flush() ?? NOTHING;
    return { reasoning, text: this.#stops.push(text) + this.#stops.flush() };
  }

  #reason(ended: boolean, loops: boolean, last: boolean): FinishReason | undefined {
    if (ended || this.#stops.matched !== undefined) return "stop";
    if (loops) return "repetition";
    return last || this.completion >= this.most ? "length" : undefined;
  }
}
