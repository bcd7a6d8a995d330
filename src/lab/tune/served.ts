import { createHash } from "node:crypto";
import type { FinishReason } from "../../engine/answer/generate.ts";
import { Meter } from "../../engine/bill/meter.ts";
import type { Lease } from "../../engine/run/recipes.ts";
import { Likelihoods } from "../../engine/score/likelihood.ts";
import type { Model } from "../../library/model.ts";
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
}

/** Answers items under recipes, and scores answers by dense. */
export interface Serving extends Disposable {
  answer(recipe: string, item: ServedItem): Promise<Served>;
  /** How much likelier dense finds other tokens than each answer's own, in nats a token. */
  excess(item: ServedItem, answers: readonly Served[]): Promise<number[]>;
}

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

  async answer(recipe: string, item: ServedItem): Promise<Served> {
    const { save } = await this.#prepared(recipe);
    const { prompt, stop, maxTokens, id } = item;
    // Nothing of another answer is reused.
    this.model.language.engine.forget();
    const { text, tokens, finishReason, receipt } = await this.model.complete(prompt, {
      ...{ maxTokens, stop: [...stop], save, seed: Number.parseInt(id.slice(0, 8), 16) },
      ...(this.signal && { signal: this.signal }),
      ...(this.temperature === undefined ? { modelSampling: true } : { temperature: this.temperature }),
    });
    const { prefill, decode } = receipt.ms;
    const { flops, bytes } = receipt;
    const ids = tokens.map(({ id }) => id);
    return { text, tokens: ids, reason: finishReason, ms: prefill + decode, flops: flops.spent, bytes: bytes.spent };
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

  async excess({ prompt }: ServedItem, answers: readonly Served[]): Promise<number[]> {
    const { language } = this.model;
    const context = language.encode(prompt);
    const pairs = answers.map((answer) => ({ context, continuation: this.#whole(answer) }));
    const scored = pairs.filter(({ continuation }) => continuation.length > 0);
    const meter = new Meter(language.engine.programs);
    // Scores do not depend on earlier runs.
    language.engine.forget();
    const scores = await this.likelihoods.ofPairs(scored, meter, this.signal);
    return pairs.map((pair) => excessOf(scores[scored.indexOf(pair)] ?? []));
  }

  /** An answer that a saving ended is read with its end. */
  #whole({ tokens, reason }: Served): readonly number[] {
    const [end] = this.model.language.tokenizer.stopIds;
    return reason === "stopped" && end !== undefined ? [...tokens, end] : tokens;
  }

  [Symbol.dispose](): void {
    for (const { lease } of this.#recipes.values()) lease[Symbol.dispose]();
    this.likelihoods[Symbol.dispose]();
  }
}

/** Identifies a text. */
export const textHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);
