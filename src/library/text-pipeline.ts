import { priceOfLengths } from "../engine/decode/dense-price.ts";
import type { LanguageModel, Prompt } from "../engine/decode/language-model.ts";
import type { ModelIdentity } from "../pipelines/model.ts";
import type { Roles } from "../pipelines/pipeline.ts";
import { checkSpelling, pipelineNamed, textPipelineNamed } from "../pipelines/registry.ts";
import type { AnyPrompt, Facts, Resources } from "../pipelines/resources.ts";
import type { NamedText, TextPipeline } from "../pipelines/text-pipeline.ts";
import { registeredRecipes } from "../savings/registered.ts";
import { UserError } from "../util/errors.ts";
import type { ModelForm, Quant } from "../weights/prepared/quant.ts";
import * as args from "./arguments.ts";
import { checkArgument, modelName } from "./arguments.ts";
import { heldShare, priceOfAnswer } from "./dense-price.ts";
import { identityOf } from "./identity.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";
import { wholeOf } from "./whole-answer.ts";

export interface TextPipelineOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** Called with the reason when a model (such as a pair's Super) fails and another model answers instead. */
  onDegraded?: ((why: string) => void) | undefined;
  /** The pipeline's own flags of `run`, such as `{ planning }` of a planner with an executor. */
  settings?: unknown;
}

/** A chunk of a pipeline's answer; the first and the last have the pipeline's field, such as `vote`. */
export type ShownChunk = Chunk & { readonly shown?: unknown };
export type ShownCompletion = Completion & { readonly shown: unknown };

/**
 * Opens a pipeline that answers as a model does, by its name: `smollm2+vote@n=5`. Missing models are downloaded.
 * @throws UserError
 */
export async function openTextPipeline(name: string, options: TextPipelineOptions = {}): Promise<OpenedPipeline> {
  const named = textPipelineNamed(await spelledOut(checkArgument("openTextPipeline's name", modelName, name)));
  if (!named) throw new UserError(`"${name}" is not a pipeline that answers texts, such as smollm2+vote@n=5`, 2);
  checkSpelling(name);
  return openNamed(named, options);
}

/**
 * Opens a pipeline over `models`, which it then owns, and loads missing ones. `prepare`, if given, is called instead of
 * the pipeline's own `prepare`. @throws UserError
 */
export async function openNamed(
  named: NamedText,
  { quant, onDegraded, settings, ...options }: TextPipelineOptions,
  models: Record<string, Model> = {},
  prepare?: (resources: Resources) => Promise<unknown>,
): Promise<OpenedPipeline> {
  try {
    for (const [role, model] of Object.entries(named.roles))
      models[role] ??= await load(model, { ...options, ...(quant && { quant }) });
    await named.pipeline.checkModels?.(models);
    const own = { quant, onNotice: options.onNotice, onDegraded, settings };
    return await OpenedPipeline.over(named, models, own, prepare);
  } catch (error) {
    for (const model of Object.values(models)) model.dispose();
    throw error;
  }
}

/**
 * Replaces a registered recipe in a pipeline's name, such as `A>B@mine`, with its certificate; other names are
 * unchanged.
 */
export async function spelledOut(name: string): Promise<string> {
  if (!pipelineNamed(name)) return name;
  const all = await registeredRecipes();
  const entry = Object.hasOwn(all, name) ? all[name]! : undefined;
  return entry ? `${entry.model}@${entry.recipe.join()}` : name;
}

/** A call's settings for its pipeline. */
type Own = Pick<Parameters<TextPipeline["answer"]>[2], "settings" | "whole">;

/** A pipeline with its models in memory. Dispose of it to free them. */
export class OpenedPipeline implements Disposable {
  readonly name: string;
  /** The pipeline's own answer field, such as `vote`. */
  readonly field: string;

  private constructor(
    private readonly named: NamedText,
    readonly models: Readonly<Record<string, Model>>,
    private readonly resources: OwnResources,
    /** The result of the pipeline's `prepare`. */
    readonly prepared: unknown,
    private readonly settings: unknown,
  ) {
    this.name = named.name;
    this.field = named.pipeline.shows.field;
  }

  /** @throws UserError if the pipeline cannot answer, such as an uncalibrated pair */
  static async over(
    named: NamedText,
    models: Readonly<Record<string, Model>>,
    settings: ResourceSettings = {},
    prepare = async (resources: Resources): Promise<unknown> => named.pipeline.prepare?.(named, resources),
  ): Promise<OpenedPipeline> {
    const resources = new OwnResources(named.roles, models, settings);
    return new OpenedPipeline(named, models, resources, await prepare(resources), settings.settings);
  }

  /** Streams an answer; `settings` replace the pipeline's own. @throws UserError as a model's `generate` does */
  generate(prompt: Prompt, options: RunOptions = {}, settings = this.settings): AsyncGenerator<ShownChunk, void> {
    return this.#pieces(prompt, options, { settings });
  }

  async *#pieces(prompt: Prompt, options: RunOptions, own: Own): AsyncGenerator<ShownChunk, void> {
    const { named, resources, prepared } = this;
    refuse(options, named.pipeline);
    const maxTokens = options.maxTokens ?? named.pipeline.settings?.maxTokens;
    const settings = { ...options, ...(maxTokens !== undefined && { maxTokens }) };
    const { signal, onStopped, arrived, ...rest } = checkArgument("generate's options", args.runOptions, settings);
    const terms = { ...own, signal, onStopped, arrived };
    const request = { prompt: checkArgument("generate's prompt", args.prompt, prompt), options: rest, ...terms };
    const pieces = await named.pipeline.answer(named, resources, request, prepared);
    for await (const { tokens, role: _, planTokens: __, ...piece } of pieces) yield { ...piece, tokens: [...tokens] };
  }

  /** The whole answer at once. */
  async complete(prompt: Prompt, options: RunOptions = {}): Promise<ShownCompletion> {
    return wholeOf(this.#pieces(prompt, options, { settings: this.settings, whole: true }), "shown");
  }

  dispose(): void {
    for (const model of Object.values(this.models)) model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The weight form and the adapter with which models were loaded, if any, and the callbacks for events. */
interface ResourceSettings extends Pick<TextPipelineOptions, "onNotice" | "onDegraded" | "settings"> {
  readonly quant?: Quant | undefined;
  readonly adapter?: string | undefined;
  readonly index?: Resources["index"];
}

/** Loaded models, by role. */
export class OwnResources implements Resources {
  constructor(
    private readonly roles: Roles,
    private readonly models: Readonly<Record<string, Model>>,
    private readonly settings: ResourceSettings = {},
  ) {}

  get index(): Resources["index"] {
    return this.settings.index;
  }

  async facts(role: string): Promise<Facts> {
    return factsOf(this.models[role]!);
  }

  use: Resources["use"] = (role, work) => work(this.models[role]!, this.models[role]!.recipe);

  generate: Resources["generate"] = (role, prompt, options) => generateBy(this.models[role]!, prompt, options);

  async identity(role: string): Promise<ModelIdentity> {
    const { quant, adapter } = this.settings;
    const { recipe, ...identity } = await identityOf(this.roles[role]!, this.models[role]!, quant);
    return { ...identity, recipe: [...recipe, ...(adapter === undefined ? [] : [`adapter=${adapter}`])] };
  }

  async form(role: string): Promise<ModelForm> {
    return this.#language(role).form;
  }

  held: Resources["held"] = (role, prompt, options) => heldShare(this.#language(role), prompt, options);

  price: Resources["price"] = async (role, ...priced) => priceOfAnswer(this.#language(role), ...priced);

  choice: Resources["choice"] = async (role, certificate, request) => {
    const { choiceUnder } = await import("./certified-choice.ts");
    return choiceUnder(certificate, this.models[role]!, request);
  };

  notice(sentence: string): void {
    this.settings.onNotice?.(sentence);
  }

  degraded(_: string, reason: string): void {
    this.settings.onDegraded?.(reason);
  }

  #language(role: string): LanguageModel {
    return this.models[role]!.language;
  }
}

export const factsOf = ({ language }: Pick<Model, "language">): Facts => ({
  source: language.source,
  tokenizer: language.tokenizer,
  context: language.decoder.config.context,
  count: (prompt, tools) => language.encode(prompt, undefined, tools).length,
  price: (lengths) => priceOfLengths(language, lengths),
});

/** Answers a prompt, or the result of a function that builds one from the model. */
export async function* generateBy(model: Model, prompt: AnyPrompt, options: RunOptions): AsyncGenerator<Chunk, void> {
  yield* typeof prompt === "function"
    ? model.generateSpanned(await prompt(model), options)
    : model.generate(prompt, options);
}

/** @throws UserError for options that belong to one model; a pipeline with settings checks them itself */
function refuse({ adapter, save, promptLogprobs, observe, budget }: RunOptions, pipeline: TextPipeline): void {
  const { certified, settings } = pipeline;
  if (settings) return;
  const own = { adapter, save, promptLogprobs, observe, budget: certified ? undefined : budget };
  const one = Object.entries(own).find(([, value]) => value !== undefined);
  if (one) throw new UserError(`${one[0]} belongs to one model, and this is a pipeline`, 2);
}
