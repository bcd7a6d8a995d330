import { densePlan, type Plan } from "../../../savings/plan.ts";
import { ContextExceeded, UserError } from "../../../util/errors.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { type ImageBill, Meter } from "../../bill/meter.ts";
import { Stopwatch } from "../../bill/stopwatch.ts";
import type { Embeddings } from "../run/additions.ts";
import { chunkAfter, PREFILL_CHUNK } from "../run/chunk.ts";
import type { Engine } from "../run/engine.ts";
import type { RunTerms } from "../run/prompt-run.ts";
import type { Outcome, Step } from "../run/stepped.ts";
import type { DiskPrefixes } from "../state/disk-prefixes.ts";
import type { Slot } from "../state/slot.ts";
import { type Ceiling, type CutReason, cutOf } from "./cut.ts";
import { Draft, joinedPieces, type UnbilledPiece } from "./draft.ts";
import type { FinishReason, GenerateOptions, Piece, Usage } from "./generate.ts";
import { PromptScores } from "./prompt-scores.ts";
import type { Terms } from "./terms.ts";

/** The settings of a sequence in the engine. */
export interface SequenceTerms extends Pick<Terms, "ceiling" | "time"> {
  /** Absent: dense. */
  readonly plan?: Plan | undefined;
  /** The embeddings for ids below 0 in the prompt. */
  readonly embeddings?: Embeddings | undefined;
  /** The prompt's images, which have already been encoded. */
  readonly images?: ImageBill | undefined;
  /**
   * If true, results and bill are those of a fresh engine, whatever ran before: tokens in `usage.tokens.cached` do not
   * run again, but are billed.
   */
  readonly alone?: boolean | undefined;
}

/** One running request with its own sampler, text and bill. It holds its slot until it is disposed of. */
export class Sequence implements Disposable {
  readonly slot: Slot;
  readonly #meter: Meter;
  readonly #terms: RunTerms;
  readonly #draft: Draft;
  readonly #scores: PromptScores | undefined;
  #chunks: ReturnType<Engine["chunks"]>;
  /** The text to run chunk by chunk: the prompt, or all tokens so far if they must run again. Undefined while decoding. */
  #text: readonly number[] | undefined;
  #cached: number;
  readonly #ceiling: Ceiling;
  readonly #time: Stopwatch;
  #prefilled = false;
  #begun = false;
  /** The drafted tokens that the current step checks. */
  #ahead: readonly number[] | undefined;
  #ended = false;

  /** @throws UserError if the prompt is empty or longer than the context */
  constructor(
    readonly engine: Engine,
    tokenizer: Tokenizer,
    private readonly prompt: readonly number[],
    private readonly options: GenerateOptions,
    { ceiling = {}, alone = false, plan = densePlan, embeddings, images, time = new Stopwatch() }: SequenceTerms = {},
  ) {
    this.#time = time;
    time.enter("prefill");
    const { context } = engine.programs.decoder.config;
    checkLength(prompt, context);
    const most = Math.min(options.maxTokens, context - prompt.length, ceiling.tokens ?? Number.POSITIVE_INFINITY);
    this.#meter = new Meter(engine.programs);
    if (images) this.#meter.images(images);
    const texts = embeddings ? prompt.filter((id) => id >= 0) : prompt;
    this.#draft = new Draft(tokenizer, options, texts, most);
    this.#ceiling = ceiling;
    this.#scores = scoresOf(engine, prompt, options, this.#meter);
    this.#terms = { plan, meter: this.#meter, embeddings };
    if (this.#scores) refuseGathering(plan);
    this.slot = this.#acquire(alone);
    this.#cached = this.slot.tokens.length;
    this.#text = most > 0 ? prompt : this.#scores ? prompt.slice(0, -1) : [];
    this.#chunks = most > 0 ? this.#run(alone) : this.#read();
  }

  /** True for a prompt with scored tokens, or one that must not use the cache. */
  get #whole(): boolean {
    return this.#scores !== undefined || this.options.cachePrompt === false;
  }

  #acquire(alone: boolean): Slot {
    if (alone && this.#scores) this.engine.forget();
    const { plan } = this.#terms;
    if (this.#whole) return this.engine.acquireEmpty(this.prompt, plan);
    if (alone) return this.engine.acquireAlone(this.prompt, this.#meter, plan);
    return this.engine.acquire(this.prompt, plan, this.options.deterministic);
  }

  #run(alone: boolean): ReturnType<Engine["chunks"]> {
    const { prefixes } = this.engine;
    if (prefixes && !alone && !this.#whole) return this.#withDisk(prefixes);
    return this.engine.chunks(this.slot, this.prompt, this.#terms, this.#scores);
  }

  /** Runs the part of the prompt that is neither cached nor on disk, and writes its whole chunks to disk. */
  async *#withDisk(prefixes: DiskPrefixes): ReturnType<Engine["chunks"]> {
    const { slot, prompt, engine } = this;
    const { plan } = this.#terms;
    const now = new Date();
    for await (const tokens of prefixes.restore(slot, prompt, plan, now)) {
      this.#meter.count("diskTokens", 0, tokens);
      yield undefined;
    }
    this.#cached = slot.tokens.length;
    for await (const logits of engine.chunks(slot, prompt, this.#terms)) {
      prefixes.keep(slot, plan, now);
      yield logits;
    }
  }

  /** Runs the prompt to score its own tokens; no answer follows. */
  async *#read(): AsyncGenerator<undefined> {
    for await (const run of this.engine.runs(this.slot, this.#text!, this.#terms))
      if (this.#scores) yield* this.#scores.read(run);
  }

  /** Runs the rest of the prompt; returns the next piece of the answer. */
  async prefill(signal?: AbortSignal): Promise<Piece> {
    for (;;) {
      signal?.throwIfAborted();
      const piece = await this.advance();
      if (piece) return piece;
    }
  }

  /**
   * Runs the next chunk of the prompt, or of all tokens if they must run again. The last chunk returns the answer's
   * next piece, or its final piece if the ceiling cuts it.
   */
  async advance(): Promise<Piece | undefined> {
    const { value: logits, done } = await this.#chunks.next();
    if (!logits && !done) return this.#over() ? this.cut("flops") : undefined;
    await this.#chunks.return(undefined);
    if (!this.#prefilled) this.#time.enter("decode");
    this.#prefilled = true;
    this.#text = undefined;
    return logits ? this.take({ kind: "token", logits }) : this.cut();
  }

  /** The number of tokens to run before decoding: at least 1, because scores may be pending; 0 while decoding. */
  get left(): number {
    return this.#text ? Math.max(1, this.#text.length - this.slot.tokens.length) : 0;
  }

  /** The number of chunks left in the prompt, at the current chunk length. */
  get chunks(): number {
    return this.left / chunkAfter(this.engine.programs, this.slot.tokens.length);
  }

  /** This sequence's part in the next decode step, after a piece that was not the last. */
  next(): Step {
    const step = this.#step();
    this.#ahead = this.#guessed(step.token);
    return { ...step, ahead: this.#ahead };
  }

  #step(): Step {
    const { next: token, left: remaining } = this.#draft;
    return { slot: this.slot, token, meter: this.#meter, plan: this.#terms.plan, drafts: remaining - 1 };
  }

  /** Tokens that the plan's drafter guesses after this one; undefined if it guesses none. A final token needs no guess. */
  #guessed(token: number | undefined): readonly number[] | undefined {
    const { drafter } = this.#terms.plan;
    const most = Math.min(this.#draft.left - 1, PREFILL_CHUNK - 1);
    if (!drafter || token === undefined || most < 1) return undefined;
    const ahead = drafter.draft(this.slot.tokens, token, most);
    if (drafter.takeCost) this.#meter.overhead(drafter.takeCost());
    return ahead.length > 0 ? ahead : undefined;
  }

  /** Processes the outcome of the last step. Returns the next piece, if it makes any token certain. */
  take(outcome: Outcome): Piece | undefined {
    switch (outcome.kind) {
      case "token":
        return this.#add(this.#draft.take(outcome.logits, this.#over()));
      case "draft":
        if (this.#over()) return this.cut("flops");
        this.#draft.guess(outcome.logits);
        return undefined;
      case "checked":
        return this.#check(outcome);
      case "stop":
        return this.#end("stopped");
    }
  }

  #check({ logits: rows, stops }: Extract<Outcome, { kind: "checked" }>): Piece {
    const { used, right, ...added } = this.#draft.check(rows, this.#over(), this.#ahead);
    if (this.#ahead) this.#terms.plan.drafter?.judge(right);
    this.#meter.count("accepted", 0, right);
    const step = this.#step();
    this.engine.keep(step, rows.length, used);
    if (!stops || right < rows.length || added.reason) {
      this.#meter.waste(stops ?? []);
      return this.#add(added);
    }
    this.engine.billStop(step, this.slot.tokens.length);
    const last = this.#end("stopped");
    return { ...last, ...joinedPieces([added, last]) };
  }

  #add({ reason, ...piece }: UnbilledPiece): Piece {
    if (!reason) {
      this.#runAgain();
      return { ...piece, ...this.#scored() };
    }
    const { completion } = this.#draft;
    const over = this.#over();
    const cut = reason === "length" ? cutOf(this.#ceiling, over, completion, this.options.maxTokens) : undefined;
    return { ...piece, ...this.#scored(), finish: this.#finish(reason, cut) };
  }

  /** Runs all tokens again as a prompt if the next one makes the sequence long enough for the long rope factors. */
  #runAgain(): void {
    const { slot } = this;
    if (slot.fits(slot.tokens.length + 1)) return;
    this.#text = [...slot.tokens, this.#draft.next!];
    slot.prepare(this.#text.length);
    this.#chunks = this.engine.chunks(slot, this.#text, this.#terms);
  }

  /** Cuts the answer here; returns its final piece, with its remaining text. */
  cut(cut?: CutReason): Piece {
    return this.#end("length", cut);
  }

  #end(reason: FinishReason, cut?: CutReason): Piece {
    return { ...this.#draft.end(), tokens: [], ...this.#scored(), finish: this.#finish(reason, cut) };
  }

  /** The prompt's scores, for the first piece. */
  #scored(): Pick<Piece, "prompt"> {
    if (!this.#scores || this.#begun) return {};
    this.#begun = true;
    return { prompt: this.#scores.found };
  }

  #finish(reason: FinishReason, cut: CutReason | undefined): NonNullable<Piece["finish"]> {
    this.#ended = true;
    return { reason, usage: this.usage(), ...(cut && { cut }) };
  }

  #over(): boolean {
    const { flops } = this.#ceiling;
    return flops !== undefined && this.#meter.spent().flops >= flops;
  }

  /** True once the last piece has been returned. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The usage so far; only the part of the prompt that has run counts. Not valid after the slot is released. */
  usage(): Usage {
    const prompt = this.#prefilled ? this.prompt.length : this.slot.tokens.length;
    const tokens = { prompt, cached: this.#cached, completion: this.#draft.completion };
    return { ...this.#meter.total(this.slot.drafts), tokens, ...this.#time.total() };
  }

  [Symbol.dispose](): void {
    void this.#chunks.return(undefined);
    this.#scores?.[Symbol.dispose]();
    this.engine.release(this.slot);
  }
}

/** @throws UserError if a saving drops prompt tokens that must be scored */
function refuseGathering({ cuts }: Plan): void {
  if (cuts.some(({ scope }) => scope === "prompt"))
    throw new UserError("a saving that drops prompt tokens leaves no log-probabilities for them", 2);
}

const scoresOf = (
  { programs }: Engine,
  prompt: readonly number[],
  { promptLogprobs: top }: GenerateOptions,
  meter: Meter,
): PromptScores | undefined => (top === undefined ? undefined : new PromptScores(programs, prompt, top, meter));

/** @throws UserError if the prompt is empty or longer than the context */
export function checkLength(prompt: readonly number[], context: number): void {
  if (prompt.length === 0) throw new UserError("the prompt is empty, expected at least one token");
  checkTokens({ tokens: prompt.length, ofImages: prompt.filter((id) => id < 0).length }, context);
}

/** @throws UserError if a prompt with this many tokens leaves no room for an answer */
export function checkTokens(prompt: { readonly tokens: number; readonly ofImages: number }, context: number): void {
  const { tokens, ofImages } = prompt;
  if (tokens < context) return;
  throw tooLong(`${tokens} tokens${ofImages > 0 ? `, ${ofImages} of them from images` : ""}`, context);
}

const tooLong = (tokens: string, context: number): ContextExceeded =>
  new ContextExceeded(
    `the prompt has ${tokens}, but the model's context is ${context}, and an answer needs at least one of its tokens`,
  );

/** The number of characters above which a prompt's length is checked before templating and encoding, which take a second per million. */
const LONG = 2 ** 20;
const PIECE = 2 ** 16;
/** A wide bound on the number of tokens that cutting a text into pieces may add. */
const CUT = 16;

/** Encodes a very long text in pieces, up to the context's length. @throws UserError if it is longer */
export function checkText(text: string, tokenizer: Tokenizer, context: number): void {
  if (text.length <= LONG) return;
  let tokens = 0;
  for (let at = 0; at < text.length; at += PIECE) {
    tokens += Math.max(0, tokenizer.encode(text.slice(at, at + PIECE)).length - CUT);
    if (tokens >= context) throw tooLong(`at least ${tokens} tokens`, context);
  }
}
