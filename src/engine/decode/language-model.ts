import type { Decoder } from "../../models/decoder/decoder.ts";
import { isOfKind, openDecoder, openInBytes } from "../../models/registry.ts";
import type { Device } from "../../runtime/device.ts";
import { mapsFiles } from "../../runtime/mapped-file.ts";
import { SharedWeights } from "../../runtime/shared-weights.ts";
import { requireDevice } from "../../runtime/webgpu.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { suggest, UserError } from "../../util/errors.ts";
import type { Lora } from "../../weights/adapter/lora.ts";
import type { ModelForm, Quant } from "../../weights/prepared/quant.ts";
import { formHere, quantHere } from "../../weights/prepared/tuning.ts";
import { modelHash, preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import {
  type AnswerMarks,
  answerMarks,
  type ChatMessage,
  encodeBlanks,
  encodeChat,
  type Mode,
  modeToken,
  type PromptForm,
  parseBlanks,
  requireSpecial,
  sentinelName,
  type TemplateVariables,
  type Tokenizer,
} from "../../weights/tokenizer/index.ts";
import { type ModelFiles, type NamedRecord, openAdapted } from "../file/adapters.ts";
import { beside } from "../file/beside.ts";
import { tokenizerOf } from "../file/tokenizer-of.ts";
import { tuneOnce } from "../file/tune.ts";
import type { BaseModel } from "../kinds/kind.ts";
import { refuseOnAxes } from "../kinds/seamless.ts";
import { checkText } from "./answer/sequence.ts";
import { isIds, otherTemplate, type Prompt, plainTextOf, promptFormOf, turnsOf } from "./prompt.ts";
import { Engine } from "./run/engine.ts";
import { type Lease, Recipes } from "./run/recipes.ts";
import { type ModelSampling, samplingOf } from "./sampling/defaults.ts";
import { callFormOf, turnsIn } from "./tools/forms/index.ts";
import { asJson, type Tool } from "./tools/tools.ts";
import { harmonyTools, harmonyTurns, knowsCalls, plainTurns } from "./tools/turns.ts";
import type { ImageReader } from "./vision/image-reader.ts";

export { isIds, type Prompt } from "./prompt.ts";

/** The options for reading a text with an infilling model. */
export interface InfillTerms {
  /** True if the text has blanks to fill. */
  readonly infill?: boolean | undefined;
  readonly mode?: Mode | undefined;
}

/**
 * A model loaded from one file: its tokenizer, its engine, and an engine for each adapter that requests may choose.
 * Each request has its own recipe.
 */
export class LanguageModel implements BaseModel {
  readonly kind = "decoder";
  readonly recipes: Recipes;
  #vision: ImageReader | undefined;

  private constructor(
    readonly source: ResolvedModel,
    readonly decoder: Decoder,
    readonly tokenizer: Tokenizer,
    /** The engine for requests without an adapter. */
    readonly engine: Engine,
    /** The model's own sampling settings, if any. */
    readonly sampling: ModelSampling | undefined,
    private readonly adapted: ReadonlyMap<string, Engine>,
    private readonly records: ReadonlyMap<string | undefined, NamedRecord>,
    readonly form: ModelForm,
    onNotice: ((sentence: string) => void) | undefined,
  ) {
    // Hashing a user's own file reads the entire file, once.
    let hash: Promise<string> | undefined;
    const host = { decoder, hash: () => (hash ??= modelHash(source)), form, onNotice };
    this.recipes = new Recipes(host, async (plan) => {
      for (const each of this.#engines) await each.prepare(plan);
    });
  }

  /** The model's image encoder; undefined if the model reads only text. */
  get vision(): ImageReader | undefined {
    return this.#vision;
  }

  /** The way the chat template divides answers; undefined if answers are undivided text. */
  get marks(): AnswerMarks | undefined {
    return answerMarks(this.tokenizer);
  }

  get #engines(): Engine[] {
    return [this.engine, ...this.adapted.values()];
  }

  /** @throws UserError if the file is not a supported model, or the device does not work here */
  static async load(
    source: ResolvedModel,
    requested: Quant = "auto",
    adapters?: ModelFiles,
    device: Device = "cpu",
    onNotice?: (sentence: string) => void,
  ): Promise<LanguageModel> {
    const { checkpoint, own, named, records, tokenizer: folder } = adapters ?? (await openAdapted(source.path, {}));
    if (device !== "cpu" && requested === "q8r")
      throw new UserError(`q8r runs only on the CPU; expected auto, f32, q8 or q4 for ${device}`, 2);
    await requireDevice(device);
    if (device === "cpu") await tuneOnce({ source, checkpoint, quant: requested });
    const quant = quantHere(source, requested, device);
    const sampling = samplingOf(checkpoint.config, source.sha256);
    // Shared by the base and its adapters. Shared weights live as long as a program uses them.
    using shared = mapsFiles ? new SharedWeights() : undefined;
    const open = async (lora?: Lora) => {
      const { decoder, weights } = await openDecoder(checkpoint, preparedFolder(source.path), quant, lora);
      const inBytes = await openInBytes(checkpoint, preparedFolder(source.path), lora);
      return { decoder, create: () => Engine.create(decoder, weights, shared, device, inBytes) };
    };
    const { decoder, create } = await open(own);
    const [engine, tokenizer] = await beside(create(), () =>
      tokenizerOf(checkpoint, decoder.config.vocabulary, folder),
    );
    const adapted = new Map<string, Engine>();
    const form = formHere(source, checkpoint, quant);
    const model = new LanguageModel(source, decoder, tokenizer, engine, sampling, adapted, records, form, onNotice);
    for (const record of records.values()) {
      const notice = otherTemplate(record, source.name, tokenizer);
      if (notice !== undefined) onNotice?.(notice);
    }
    try {
      if (isOfKind("vision–language model", checkpoint)) {
        const { ImageReader } = await import("./vision/image-reader.ts");
        model.#vision = await ImageReader.open(source, checkpoint, quant, tokenizer);
      }
      for (const [name, lora] of named) adapted.set(name, await (await open(lora)).create());
    } catch (error) {
      model[Symbol.dispose]();
      throw error;
    }
    return model;
  }

  async use(recipe: Recipe): Promise<Lease> {
    refuseOnAxes(this.source.name, this.decoder.config, recipe);
    return this.recipes.use(recipe);
  }

  /** The engine for requests that choose this adapter. @throws UserError for an unknown adapter */
  engineFor(adapter: string): Engine {
    const engine = this.adapted.get(adapter);
    if (engine) return engine;
    const names = [...this.adapted.keys()];
    const known = names.length > 0 ? `expected one of ${names.join(", ")}` : "the model was loaded without adapters";
    throw new UserError(`there is no adapter "${adapter}", ${known}${suggest(adapter, names)}`, 2);
  }

  /** @throws UserError if the beginning of a prompt already exceeds the context */
  checkText(prompt: Prompt): void {
    if (isIds(prompt)) return;
    const texts = typeof prompt === "string" ? [prompt] : prompt.map(({ content }) => textOf(content));
    checkText(texts.join("\n"), this.tokenizer, this.decoder.config.context);
  }

  /** A prompt's format, which may depend on a request's adapter: see `promptFormOf`. */
  formOf(prompt: Prompt, raw?: boolean, adapter?: string): PromptForm | undefined {
    return promptFormOf(prompt, this.tokenizer, raw, this.records.get(adapter));
  }

  /**
   * Ids of a prompt in its format. `tools`: functions the model may call; `variables`: passed to the chat template.
   * @throws UserError for an id outside the vocabulary, or for turns that the adapter was not trained on
   */
  encode(
    prompt: Prompt,
    raw?: boolean,
    tools: readonly Tool[] = [],
    adapter?: string,
    variables?: TemplateVariables,
  ): number[] {
    const { tokenizer } = this;
    if (isIds(prompt)) return checkIds(prompt, this.decoder.config.vocabulary);
    if (this.formOf(prompt, raw, adapter) === "chat") return this.#encodeChat(turnsOf(prompt), tools, variables);
    const text = typeof prompt === "string" ? prompt : plainTextOf(prompt, tools, this.records.get(adapter)!);
    return [...bosOf(tokenizer), ...tokenizer.encode(text)];
  }

  /**
   * Ids of a prompt for filling in the gap between two texts; the first may be ids.
   * @throws UserError if the model has no tokens for this
   */
  encodeAround(prompt: Prompt, suffix: string): number[] {
    if (typeof prompt !== "string" && !isIds(prompt))
      throw new UserError("a suffix needs a text prompt, not the turns of a chat", 2);
    const { fim } = this.tokenizer;
    if (!fim) throw new UserError(`${this.source.name} has no tokens for filling in a text; expected no suffix`, 2);
    const before = isIds(prompt) ? this.encode(prompt, true) : this.tokenizer.encode(prompt);
    const after = this.tokenizer.encode(suffix);
    return [...bosOf(this.tokenizer), fim.prefix, ...before, fim.suffix, ...after, fim.middle];
  }

  /**
   * Token ids of a text, with or without blanks, preceded by a mode token; and the token that ends the last blank, if
   * the model has such a token.
   * @throws UserError if the model lacks a token
   */
  encodeInfill(text: string, { infill, mode }: InfillTerms): { ids: number[]; end: number | undefined } {
    const { tokenizer } = this;
    const modes = mode === undefined ? [] : [tokenizer.specialId(requireSpecial(tokenizer, modeToken(mode)))!];
    const before = [...bosOf(tokenizer), ...modes];
    if (!infill) return { ids: [...before, ...tokenizer.encode(text)], end: undefined };
    const blanked = parseBlanks(text);
    const end = tokenizer.specialId(sentinelName(blanked.spaced.length));
    return { ids: [...before, ...encodeBlanks(blanked, tokenizer)], end };
  }

  #encodeChat(chat: readonly ChatMessage[], tools: readonly Tool[], variables?: TemplateVariables): number[] {
    const { tokenizer, marks } = this;
    const turns = marks === "harmony" ? harmonyTurns(chat) : chat;
    const terms = { addGenerationPrompt: true, variables, gap: this.#vision?.gap };
    const { tools: forTools, chat: template = "" } = tokenizer.templates;
    const called = tools.length > 0 || turns.some((turn) => turn.role === "tool" || turn["tool_calls"] !== undefined);
    if (!called) return encodeChat(tokenizer, turns, terms);
    const form = callFormOf(tokenizer);
    if (form) {
      const earlier = turnsIn(form, forTools ?? template, turns);
      return encodeChat(tokenizer, earlier, { ...terms, tools: asJson(tools) });
    }
    if (!knowsCalls(forTools ?? template, marks)) return encodeChat(tokenizer, plainTurns(turns, tools), terms);
    const described = marks === "harmony" ? harmonyTools(tools) : tools;
    return encodeChat(tokenizer, turns, { ...terms, tools: asJson(described) });
  }

  [Symbol.dispose](): void {
    for (const engine of this.#engines) engine[Symbol.dispose]();
    this.#vision?.[Symbol.dispose]();
    this.recipes[Symbol.dispose]();
  }
}

export const bosOf = ({ addBos, bos }: Tokenizer): number[] => (addBos && bos !== undefined ? [bos] : []);

/** Returns the first id outside the vocabulary. */
export const idBeyond = (ids: readonly number[], vocabulary: number): number | undefined =>
  ids.find((id) => id >= vocabulary);

/** @throws UserError for an id outside the vocabulary */
export function checkIds(ids: readonly number[], vocabulary: number): number[] {
  const beyond = idBeyond(ids, vocabulary);
  if (beyond === undefined) return [...ids];
  throw new UserError(`the prompt: the model's tokens are 0 to ${vocabulary - 1}, got ${beyond}`, 2);
}

const textOf = (content: ChatMessage["content"]): string =>
  typeof content === "string" ? content : (JSON.stringify(content) ?? "");
