import { StopStrings, type Tokenizer, TokenStream } from "../../weights/tokenizer/index.ts";
import { Constraint, type Hold, Triggered } from "../grammar/index.ts";
import { Sampler } from "../sampling/sampler.ts";
import type { FinishReason, GenerateOptions, Piece } from "./generate.ts";
import { Repetition } from "./repetition.ts";

/** A piece without its request's usage. */
export interface Taken extends Omit<Piece, "finish"> {
  /** Why this piece is the last; absent: it is not. */
  readonly reason: FinishReason | undefined;
}

/** An answer as it grows: its tokens chosen from logits, and text as far as it is certain. */
export class Draft {
  readonly #sampler: Sampler;
  readonly #constraint: Hold | undefined;
  readonly #stream: TokenStream;
  readonly #stops: StopStrings;
  readonly #repetition: Repetition | undefined;
  readonly #observe: GenerateOptions["observe"];
  readonly #end: number | undefined;
  /** Tokens so far. */
  completion = 0;
  /** The last token, which the model reads next. */
  last = 0;

  /** `before`: the ids that the repetition penalty sees; `most`: the maximal number of tokens. */
  constructor(
    private readonly tokenizer: Tokenizer,
    options: GenerateOptions,
    before: readonly number[],
    private readonly most: number,
  ) {
    this.#constraint = holdOf(options, tokenizer);
    this.#sampler = new Sampler(options, before, this.#constraint);
    this.#stream = new TokenStream(tokenizer, options.continues !== true);
    this.#stops = new StopStrings(options.stop);
    this.#repetition = options.repetitionDetection && !this.#constraint ? new Repetition() : undefined;
    this.#observe = options.observe;
    this.#end = options.end;
  }

  /** Chooses a token from the logits of the last step; `last` ends the answer with it. */
  take(logits: Float32Array, last = false): Taken {
    // The sampler may write into them.
    this.#observe?.(logits);
    const token = this.#sampler.sample(logits);
    this.completion++;
    const ended = this.tokenizer.stopIds.has(token.id) || token.id === this.#end;
    const said = ended ? "" : this.#stream.push(token.id);
    const text = this.#stops.push(said);
    if (!ended) this.#sampler.accept(token.id);
    const loops = this.#repetition?.push(token.id, said) === true;
    const reason = this.#reason(ended || this.#constraint?.complete === true, loops, last);
    if (reason) return { text: text + this.flush(), tokens: [token], reason };
    this.last = token.id;
    return { text, tokens: [token], reason };
  }

  /** Text that was held back, when no token follows; half a character is left out. */
  flush(): string {
    return this.#stops.flush();
  }

  #reason(ended: boolean, loops: boolean, last: boolean): FinishReason | undefined {
    if (ended || this.#stops.matched !== undefined) return "stop";
    if (loops) return "repetition";
    return last || this.completion >= this.most ? "length" : undefined;
  }
}

function holdOf({ grammar, trigger }: GenerateOptions, tokenizer: Tokenizer): Hold | undefined {
  if (!grammar) return undefined;
  return trigger ? new Triggered(grammar, trigger, tokenizer) : new Constraint(grammar);
}
