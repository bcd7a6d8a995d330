import { createHash } from "node:crypto";
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
import { recipeOf } from "./candidates.ts";
import type { ServedItem } from "./items.ts";
import { excessOf } from "./losses.ts";

/** An answer as the server gives it, and what it took. */
export interface Served {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly reason: FinishReason;
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
  /**
   * Of a drawn answer that was asked for with it: the mean, over its tokens, of their log-probability in the distribution
   * that the recipe drew them from, before top-k, top-p and min-p cut it (`Sampler.logprobOf`). An end that a saving put to
   * it was certain: 0.
   */
  readonly own?: number | undefined;
}

/** An item that is answered soon, under some recipes. */
export interface Upcoming {
  readonly item: ServedItem;
  readonly recipes: readonly string[];
  /** The hash of dense's answer, if it is scored already. */
  readonly known?: string;
}

/** Answers items under recipes, and scores answers by dense. */
export interface Serving extends Disposable {
  /** Learns which items come next, in order, if it can answer several at once; what it learnt before is off. */
  announce?(upcoming: Iterable<Upcoming>): void;
  /** `scored`: a drawn answer comes with its own log-probability. */
  answer(recipe: string, item: ServedItem, scored?: boolean): Promise<Served>;
  /**
   * The nats a token by which dense finds each answer less likely than a reference: of a greedy answer, the tokens that
   * dense prefers in their places; of a drawn one, the answer as its recipe found it, both by penalties and temperature.
   * Its mean over what a recipe draws is then that recipe's divergence from dense (Kullback and Leibler's, but for what
   * the filters cut), which is never below 0.
   */
  excess(item: ServedItem, answers: readonly Served[]): Promise<number[]>;
}

/** Gives what losses are computed from: answers and their scores, but no times. */
export type Losses = Pick<Serving, "answer" | "excess" | "announce">;

/** How a model's answers are drawn; no temperature: by its own settings. */
export const drawingOf = ({ sampling }: Pick<Model, "sampling">, temperature: number | undefined): SamplingOptions =>
  samplingOptions.parse(temperature === undefined ? (sampling?.settings ?? {}) : { temperature });

/** A model that answers each item as a server that has just started does. */
export class ModelServing implements Serving {
  readonly #recipes = new Map<string, { readonly save: Recipe; readonly lease: Lease }>();

  private constructor(
    private readonly model: Model,
    private readonly likelihoods: Likelihoods,
    /** Undefined: the model's own settings. */
    private readonly temperature: number | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** @throws UserError if the model is no decoder */
  static async open(model: Model, temperature: number | undefined, signal?: AbortSignal): Promise<ModelServing> {
    return new ModelServing(model, await Likelihoods.create(model.language.engine), temperature, signal);
  }

  async answer(recipe: string, item: ServedItem, scored = false): Promise<Served> {
    const { save } = await this.#prepared(recipe);
    const { prompt } = item;
    const drawing = this.#drawing(item);
    const drawn =
      scored && drawing.temperature > 0 ? new Drawn(drawing, this.model.language.encode(prompt)) : undefined;
    // Nothing of another answer is reused.
    this.forget();
    const completion = await this.model.complete(prompt, {
      ...{ ...optionsOf(item, this.temperature, this.signal), save },
      ...(drawn && { observe: (logits) => drawn.observe(logits) }),
    });
    const served = servedOf(completion);
    return drawn ? { ...served, own: drawn.sumOf(served.tokens) / this.#whole(served).length } : served;
  }

  /** Nothing of an earlier run is reused. */
  forget(): void {
    this.model.language.engine.forget();
  }

  /** How an item's answer is drawn: with a seed of its own. */
  #drawing(item: ServedItem): SamplingOptions & { readonly seed: number } {
    return { ...drawingOf(this.model, this.temperature), seed: seedOf(item) };
  }

  /** A recipe stays ready, so that taking turns with others costs nothing. */
  async #prepared(recipe: string) {
    const known = this.#recipes.get(recipe);
    if (known) return known;
    const save = recipeOf(recipe);
    const made = { save, lease: await this.model.language.use(save) };
    this.#recipes.set(recipe, made);
    return made;
  }

  async excess(item: ServedItem, answers: readonly Served[]): Promise<number[]> {
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

  /** By how much dense finds drawn answers less likely than they found themselves. */
  async #divergence(
    context: readonly number[],
    drawing: SamplingOptions,
    answers: readonly Served[],
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

  /** An answer that a saving ended is read with its end. */
  #whole({ tokens, reason }: Pick<Served, "tokens" | "reason">): readonly number[] {
    const [end] = this.model.language.tokenizer.stopIds;
    return reason === "stopped" && end !== undefined ? [...tokens, end] : tokens;
  }

  [Symbol.dispose](): void {
    for (const { lease } of this.#recipes.values()) lease[Symbol.dispose]();
    this.likelihoods[Symbol.dispose]();
  }
}

/** Follows an answer while it is drawn: draws the same tokens from the same logits, and sums up their log-probabilities. */
class Drawn {
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

  /** @throws Error if the answer's tokens are others */
  sumOf(tokens: readonly number[]): number {
    if (tokens.join() !== this.#ids.join()) throw new Error("an answer was drawn in another way than it was followed");
    return this.#sum;
  }
}

/** An item has one seed, for dense and all recipes. */
const seedOf = ({ id }: Pick<ServedItem, "id">): number => Number.parseInt(id.slice(0, 8), 16);

/** The options by which a server would answer an item; a `temperature` that is undefined is the model's own. */
export const optionsOf = (
  { maxTokens, stop, id }: Omit<ServedItem, "prompt">,
  temperature: number | undefined,
  signal: AbortSignal | undefined,
) => ({
  ...{ maxTokens, stop: [...stop], seed: seedOf({ id }) },
  ...(signal && { signal }),
  ...(temperature === undefined ? { modelSampling: true } : { temperature }),
});

export function servedOf({ text, tokens, finishReason, receipt }: Completion): Served {
  const { prefill, decode } = receipt.ms;
  const { flops, bytes } = receipt;
  const ids = tokens.map(({ id }) => id);
  return { text, tokens: ids, reason: finishReason, ms: prefill + decode, flops: flops.spent, bytes: bytes.spent };
}

/** Identifies a text. */
export const textHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** Identifies an answer's tokens, with an end that a saving put to them, and the log-probability that they were drawn by. */
export const answerHash = ({ tokens, reason, own }: Served): string =>
  textHash(`${tokens.join()} ${reason === "stopped"}${own === undefined ? "" : ` ${own}`}`);
