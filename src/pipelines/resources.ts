import type { LanguageModel, Prompt } from "../engine/decode/language-model.ts";
import type { SpannedPrompt } from "../engine/decode/run/spans.ts";
import type { Tool } from "../engine/decode/tools/tools.ts";
import type { LoadedModel } from "../engine/kinds/index.ts";
import type { Spent } from "../graph/index.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Ranker, SearchResult } from "../retrieval/search.ts";
import type { Certificate } from "../savings/auto/certificate.ts";
import type { Choice } from "../savings/auto/guarantee.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { ModelForm } from "../weights/prepared/quant.ts";
import type { ResolvedModel } from "../weights/sources/index.ts";
import type { Tokenizer } from "../weights/tokenizer/index.ts";
import type { CalledModel, DensePrice, ModelIdentity, ModelPiece } from "./model.ts";
import type { AnswerOptions, CallOptions, TextRequest, TurnTerms } from "./request.ts";

/** The number of tokens in a prompt, `cached` of them from a cache, and in an answer. */
interface Lengths {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

/** Facts about a model that are known once it has been loaded. */
export interface Facts {
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** The maximum tokens of a prompt with its answer. */
  readonly context: number;
  /** The number of tokens in a prompt. */
  count(prompt: Prompt, tools?: readonly Tool[]): number;
  /** The dense cost of these lengths. */
  price(lengths: Lengths): Spent;
}

/** A model in memory while it is in use. */
export interface HeldModel {
  readonly name: string;
  readonly loaded: LoadedModel;
  /** @throws UserError if the model does not generate text */
  readonly language: LanguageModel;
  generate(prompt: Prompt, options: CallOptions & Saving): AsyncIterable<ModelPiece>;
  /** Scores each text against the query. */
  relevance(query: string, texts: readonly string[], options: TurnTerms & Saving & Ceiling): Promise<Relevance>;
  /** A value attached to the model, made once per key and freed with it. */
  attached<T extends Disposable>(key: string, make: () => Promise<T>): Promise<T>;
}

/** The savings of a call; by default, the savings that the model was loaded with. */
type Saving = { readonly save?: Recipe | undefined };

type Ceiling = { readonly ceiling?: { readonly flops?: number | undefined } | undefined };

/** Scores by text, and their cost. */
export interface Relevance {
  readonly scores: readonly number[];
  readonly receipt: Receipt;
}

/** A prompt, or a function that builds it from the model. */
export type AnyPrompt = Prompt | ((model: HeldModel) => Promise<SpannedPrompt>);

/** A certificate of `lab tune`, and its name. */
export interface NamedCertificate {
  readonly name: string;
  readonly certificate: Certificate;
  /** True to refuse requests that differ from the certificate's test data; false to answer them densely. */
  readonly strict: boolean;
}

/** An index for looking texts up. */
export interface TextIndex {
  readonly name: string;
  counts(): Promise<{ readonly documents: number }>;
  hasCategories(): Promise<boolean>;
  /** The mean number of indexed terms per passage; 0 for an empty index. */
  meanTerms(): Promise<number>;
  /** Returns the best documents, best first. */
  search(
    query: string,
    options: TurnTerms & Ceiling & { readonly by?: Ranker | undefined; readonly top: number },
  ): Promise<{ readonly results: readonly SearchResult[]; readonly receipt: Receipt }>;
}

/**
 * The models of one request, by role. The library owns them; the server leases them from its pool for each call, so no
 * request holds one model while it waits for another.
 */
export interface Resources {
  /** The index that the request names. */
  readonly index?: Pick<TextIndex, "meanTerms" | "search"> | undefined;
  facts(role: string): Promise<Facts>;
  /** Only one model is in use at a time. `save`: the savings of its calls. */
  use<T>(role: string, work: (model: HeldModel, save: Recipe) => Promise<T>): Promise<T>;
  generate(role: string, prompt: AnyPrompt, options: CallOptions): AsyncIterable<ModelPiece>;
  /** Identifies a model by its recipe and its weights, which are unknown on another server. Loads nothing. */
  identity(role: string): Promise<ModelIdentity>;
  /** The form in which a model's weights run, as far as it is known. Loads a model whose form is chosen at loading. */
  form(role: string): Promise<ModelForm>;
  /** The share of a prompt in a model's cache, 0 to 1. Loads nothing. */
  held(role: string, prompt: Prompt, options: AnswerOptions): number;
  /** Like a model's own `price`. Loads nothing. */
  price(role: string, ...priced: Parameters<CalledModel<AnswerOptions>["price"]>): Promise<DensePrice | undefined>;
  /** A certificate's choice for a request, by this model's token counts. @throws UserError if the request is refused */
  choice(role: string, certificate: NamedCertificate, request: TextRequest): Promise<Choice>;
  /** Called with a message for whoever runs the pipeline. */
  notice(sentence: string): void;
  /** Called with a message and a reason if a model failed and another model answers. */
  degraded(sentence: string, reason: string): void;
}
