import type { Prompt } from "../engine/decode/language-model.ts";
import type { Facts, NamedText, Resources } from "../pipelines/pipeline.ts";
import { textPipelineNamed } from "../pipelines/registry.ts";
import { UserError } from "../util/errors.ts";
import * as args from "./arguments.ts";
import { given, modelName } from "./arguments.ts";
import { priceOfLengths } from "./dense-price.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";

export interface TextPipelineOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {}

/** A chunk of a pipeline's answer; the first and the last have what the pipeline shows, such as `vote`. */
export type ShownChunk = Chunk & { readonly shown?: unknown };
export type ShownCompletion = Completion & { readonly shown: unknown };

/**
 * Opens a pipeline that answers as a model does, by its name: `smollm2+vote@n=5`. Missing models are downloaded.
 * @throws UserError
 */
export async function openTextPipeline(
  name: string,
  { quant, ...options }: TextPipelineOptions = {},
): Promise<OpenedPipeline> {
  const named = textPipelineNamed(given("openTextPipeline's name", modelName, name));
  if (!named) throw new UserError(`"${name}" is no pipeline that answers texts, such as smollm2+vote@n=5`, 2);
  const models: Record<string, Model> = {};
  try {
    for (const [role, model] of Object.entries(named.roles))
      models[role] = await load(model, { ...options, ...(quant && { quant }) });
    return new OpenedPipeline(named, models);
  } catch (error) {
    for (const model of Object.values(models)) model.dispose();
    throw error;
  }
}

/** A pipeline with its models in memory. Dispose of it to free them. */
export class OpenedPipeline implements Disposable {
  readonly name: string;
  /** The field of answers that is the pipeline's own, such as `vote`. */
  readonly field: string;
  readonly #resources: OwnResources;

  constructor(
    private readonly named: NamedText,
    readonly models: Readonly<Record<string, Model>>,
  ) {
    this.name = named.name;
    this.field = named.pipeline.shows.field;
    this.#resources = new OwnResources(models);
  }

  /** Streams an answer. @throws UserError as a model's `generate` does */
  async *generate(prompt: Prompt, options: RunOptions = {}): AsyncGenerator<ShownChunk, void> {
    refuse(options);
    const { signal, onStopped, arrived, ...rest } = given("generate's options", args.runOptions, options);
    const request = { prompt: given("generate's prompt", args.prompt, prompt), options: rest };
    const pieces = this.named.pipeline.answer(this.named, this.#resources, { ...request, signal, onStopped, arrived });
    for await (const { tokens, role: _, ...piece } of pieces) yield { ...piece, tokens: [...tokens] };
  }

  /** The whole answer at once. */
  async complete(prompt: Prompt, options: RunOptions = {}): Promise<ShownCompletion> {
    const whole: Pick<Completion, "text" | "tokens"> = { text: "", tokens: [] };
    for await (const { text, tokens, finishReason, receipt, shown } of this.generate(prompt, options)) {
      whole.text += text;
      whole.tokens.push(...tokens);
      if (finishReason && receipt) return { ...whole, finishReason, receipt, shown };
    }
    throw new Error("an answer ended without its receipt");
  }

  dispose(): void {
    for (const model of Object.values(this.models)) model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Loaded models, by role. */
export class OwnResources implements Resources {
  constructor(private readonly models: Readonly<Record<string, Model>>) {}

  async facts(role: string): Promise<Facts> {
    const { language } = this.models[role]!;
    return { tokenizer: language.tokenizer, price: (lengths) => priceOfLengths(language, lengths) };
  }

  generate: Resources["generate"] = (role, prompt, options) => this.models[role]!.generate(prompt, options);
}

/** @throws UserError for options that belong to one model */
function refuse({ adapter, save, promptLogprobs, observe, budget }: RunOptions): void {
  const own = { adapter, save, promptLogprobs, observe, budget };
  const one = Object.entries(own).find(([, value]) => value !== undefined);
  if (one) throw new UserError(`${one[0]} belongs to one model, and this is a pipeline`, 2);
}
