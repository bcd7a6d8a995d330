import { Meter } from "../../engine/bill/meter.ts";
import type { FinishReason } from "../../engine/decode/answer/generate.ts";
import type { Lease } from "../../engine/decode/run/recipes.ts";
import { type SamplingOptions, samplingOptions } from "../../engine/decode/sampling/options.ts";
import { Sampler } from "../../engine/decode/sampling/sampler.ts";
import { Likelihoods } from "../../engine/decode/score/likelihood.ts";
import { logitsAlong } from "../../engine/decode/score/logits-along.ts";
import type { Model } from "../../library/model.ts";
import type { Completion } from "../../library/options.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { sha256Of } from "../../util/hash.ts";
import { recipeOf } from "./candidates.ts";
import type { ServedItem } from "./items.ts";
import { excessOf } from "./losses.ts";

/** An answer as the server returns it, and its cost. */
export interface ServedAnswer {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly reason: FinishReason;
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
  /**
   * For a drawn answer, on request: the mean log-probability of its tokens in the distribution that the recipe drew
   * them from, before top-k, top-p and min-p (`Sampler.logprobOf`). If a saving ended the answer, the end counts as certain: 0.
   */
  readonly own?: number | undefined;
}

/** An item to be answered soon, under some recipes. */
export interface Upcoming {
  readonly item: ServedItem;
  readonly recipes: readonly string[];
  /** The hash of dense's answer, if it is already scored. */
  readonly known?: string;
}

/** Answers items under recipes, and scores answers with dense. */
export interface Serving extends Disposable {
  /** Receives the next items, in order; each call replaces the previous items. Absent if answers are never batched. */
  announce?(upcoming: Iterable<Upcoming>): void;
  /** With `scored`, a drawn answer includes its own log-probability. */
  answer(recipe: string, item: ServedItem, scored?: boolean): Promise<ServedAnswer>;
  /**
   * The nats per token by which dense finds each answer less likely than a reference: for a greedy answer, dense's
   * likeliest token at each position; for a drawn one, the answer under its own recipe, both after penalties and
   * temperature. Except for the filters' cuts, its mean over a recipe's draws is the recipe's Kullback–Leibler
   * divergence from dense, which is never below 0.
   */
  excess(item: ServedItem, answers: readonly ServedAnswer[]): Promise<number[]>;
}

/** Supplies the inputs of losses: answers and their scores, but no times. */
export type Losses = Pick<Serving, "answer" | "excess" | "announce">;

/** How a model samples; without a temperature, its own settings apply. */
export const drawingOf = ({ sampling }: Pick<Model, "sampling">, temperature: number | undefined): SamplingOptions =>
  samplingOptions.parse(temperature === undefined ? (sampling?.settings ?? {}) : { temperature });

/** A model that answers each item like a newly started server. */
export class ModelServing implements Serving {
  readonly #recipes = new Map<string, { readonly save: Recipe; readonly lease: Lease }>();

  private constructor(
    private readonly model: Model,
    private readonly likelihoods: Likelihoods,
    /** If undefined, the model's own settings apply. */
    private readonly temperature: number | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** @throws UserError if the model is not a decoder */
  static async open(model: Model, temperature: number | undefined, signal?: AbortSignal): Promise<ModelServing> {
    return new ModelServing(model, await Likelihoods.create(model.language.engine), temperature, signal);
  }

  async answer(recipe: string, item: ServedItem, scored = false): Promise<ServedAnswer> {
    const { save } = await this.#prepared(recipe);
    const { prompt } = item;
    const drawing = this.#drawing(item);
    const drawn =
      scored && drawing.temperature > 0 ? new SamplingReplay(drawing, this.model.language.encode(prompt)) : undefined;
    // Nothing is reused from another answer.
    this.forget();
    const completion = await this.model.complete(prompt, {
      ...{ ...optionsOf(item, this.temperature, this.signal), save },
      ...(drawn && { observe: (logits) => drawn.observe(logits) }),
    });
    const served = servedOf(completion);
    return drawn ? { ...served, own: drawn.sumOf(served.tokens) / this.#whole(served).length } : served;
  }

  /** Nothing is reused from an earlier run. */
  forget(): void {
    this.model.language.engine.forget();
  }

  /** Sampling options for an item's answer, with the item's own seed. */
  #drawing(item: ServedItem): SamplingOptions & { readonly seed: number } {
    return { ...drawingOf(this.model, this.temperature), seed: seedOf(item) };
  }

  /** Prepared recipes are kept, so switching costs nothing. */
  async #prepared(recipe: string) {
    const known = this.#recipes.get(recipe);
    if (known) return known;
    const save = recipeOf(recipe);
    const entry = { save, lease: await this.model.language.use(save) };
    this.#recipes.set(recipe, entry);
    return entry;
  }

  async excess(item: ServedItem, answers: readonly ServedAnswer[]): Promise<number[]> {
    const { language } = this.model;
    const context = language.encode(item.prompt);
    const drawing = this.#drawing(item);
    if (drawing.temperature > 0) return await this.#divergence(context, drawing, answers);
    const pairs = answers.map((answer) => ({ context, continuation: this.#whole(answer) }));
    const scored = pairs.filter(({ continuation }) => continuation.length > 0);
    const meter = new Meter(language.engine.programs);
    // Scores do not depend on earlier runs.
    language.engine.forget();
    const scores = await this.likelihoods.ofPairs(scored, meter, this.signal);
    return pairs.map((pair) => excessOf(scores[scored.indexOf(pair)] ?? []));
  }

  /** The nats per token by which drawn answers are less likely under dense than under the recipe that drew them. */
  async #divergence(
    context: readonly number[],
    drawing: SamplingOptions,
    answers: readonly ServedAnswer[],
  ): Promise<number[]> {
    const wholes = answers.map((answer) => this.#whole(answer));
    const texts = [...new Map(wholes.map((whole) => [whole.join(), whole])).values()].filter(
      ({ length }) => length > 0,
    );
    const sums = texts.map(() => 0);
    const samplers = texts.map(() => new Sampler(drawing, context));
    const { engine } = this.model.language;
    engine.forget();
    const score = (text: number, token: number, logits: Float32Array) => {
      const id = texts[text]![token]!;
      sums[text]! += samplers[text]!.logprobOf(logits, id);
      samplers[text]!.accept(id);
    };
    await logitsAlong(engine, { context, texts }, new Meter(engine.programs), score, this.signal);
    const byText = new Map(texts.map((text, i) => [text.join(), sums[i]! / text.length]));
    return answers.map(({ own = Number.NaN }, i) => own - (byText.get(wholes[i]!.join()) ?? Number.NaN));
  }

  /** If a saving ended the answer, adds its end token. */
  #whole({ tokens, reason }: Pick<ServedAnswer, "tokens" | "reason">): readonly number[] {
    const [end] = this.model.language.tokenizer.stopIds;
    return reason === "stopped" && end !== undefined ? [...tokens, end] : tokens;
  }

  [Symbol.dispose](): void {
    for (const { lease } of this.#recipes.values()) lease[Symbol.dispose]();
    this.likelihoods[Symbol.dispose]();
  }
}

/** Replays an answer's sampling: draws the same tokens from the same logits, and sums their log-probabilities. */
class SamplingReplay {
  readonly #sampler: Sampler;
  readonly #ids: number[] = [];
  #sum = 0;

  constructor(drawing: SamplingOptions, context: readonly number[]) {
    this.#sampler = new Sampler(drawing, context);
  }

  observe(logits: Float32Array): void {
    const { id } = this.#sampler.sample(logits);
    this.#sum += this.#sampler.logprobOf(logits, id);
    this.#sampler.accept(id);
    this.#ids.push(id);
  }

  /** @throws Error if the answer's tokens differ */
  sumOf(tokens: readonly number[]): number {
    if (tokens.join() !== this.#ids.join()) throw new Error("an answer's tokens differ from the redrawn tokens");
    return this.#sum;
  }
}

/** An item has one seed, for dense and all recipes. */
const seedOf = ({ id }: Pick<ServedItem, "id">): number => Number.parseInt(id.slice(0, 8), 16);

/** The options with which a server would answer an item; an undefined `temperature` is the model's own. */
export const optionsOf = (
  { maxTokens, stop, id }: Omit<ServedItem, "prompt">,
  temperature: number | undefined,
  signal: AbortSignal | undefined,
) => ({
  ...{ maxTokens, stop: [...stop], seed: seedOf({ id }) },
  ...(signal && { signal }),
  ...(temperature === undefined ? { modelSampling: true } : { temperature }),
});

export function servedOf({ text, tokens, finishReason, receipt }: Completion): ServedAnswer {
  const { prefill, decode } = receipt.ms;
  const { flops, bytes } = receipt;
  const ids = tokens.map(({ id }) => id);
  return { text, tokens: ids, reason: finishReason, ms: prefill + decode, flops: flops.spent, bytes: bytes.spent };
}

/** Identifies a text. */
export const textHash = (text: string): string => sha256Of(text).slice(0, 16);

/** Identifies an answer's tokens, whether a saving ended it, and the tokens' log-probability when they were drawn. */
export const answerHash = ({ tokens, reason, own }: ServedAnswer): string =>
  textHash(`${tokens.join()} ${reason === "stopped"}${own === undefined ? "" : ` ${own}`}`);
