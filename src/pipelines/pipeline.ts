import type { z } from "zod";
import type { GenerateInput } from "../engine/decode/answer/generate.ts";
import type { LanguageModel, Prompt } from "../engine/decode/language-model.ts";
import type { SpannedPrompt } from "../engine/decode/run/spans.ts";
import type { EncodeTerms } from "../engine/encoders/text/encoder-queue.ts";
import type { LoadedModel } from "../engine/kinds/index.ts";
import type { Spent } from "../graph/index.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Certificate } from "../savings/auto/certificate.ts";
import type { Budget, Choice } from "../savings/auto/guarantee.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { ModelForm } from "../weights/prepared/quant.ts";
import type { ResolvedModel } from "../weights/sources/index.ts";
import type { Tokenizer } from "../weights/tokenizer/index.ts";
import type { CalledModel, CallTerms, ModelIdentity, ModelPiece, Priced } from "./model.ts";

/** One way to spend less around models, as lists show it. */
export interface Pipeline {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  /** Loads the schema of its options. */
  options(): Promise<z.ZodType>;
  /** Absent of a pipeline that a request names by a field. */
  readonly naming?: Naming;
}

/** The names of models that stand for a pipeline. */
interface Naming {
  /** True for such a name. */
  is(model: string): boolean;
  /** The models that a name stands for. @throws UserError for a wrong name */
  models(model: string): readonly string[];
  /** A name's kind in sentences: `a pair of models`. */
  readonly kind: string;
  /** A name as help shows it: `A>B@share=0.3`. */
  readonly form: string;
  /** The calls that take such a name. */
  readonly takers: string;
}

/** A pipeline over the models of a name. */
export interface ModelsPipeline extends Pipeline {
  readonly naming: Naming;
  /** Reads a name; undefined if it is another's. @throws UserError that names the option */
  parse(model: string): Parsed | undefined;
  /** The name of models by role, without options. */
  nameOf(roles: Roles): string;
  /** The role whose model alone is dense. */
  readonly dense: string;
  /** The field of its models where a server lists it; `models` if absent. */
  readonly listed?: Field & { of?(named: Named): unknown };
}

/** A pipeline that answers as a model does, written once for the library, the server and the lab. `P`: what `prepare` found. */
export interface TextPipeline<P = unknown> extends ModelsPipeline {
  /** Absent if all models go on with texts. @throws UserError for models that their roles cannot use */
  checkModels?(models: Readonly<Record<string, HeldModel>>): Promise<void>;
  readonly shows: Shows;
  /** True if a certificate of `lab tune` may stand for its options, and choose by a request's budget. */
  readonly certified?: true;
  readonly serving?: Serving;
  /** What a request may say beside the name. Over HTTP, such a pipeline answers chats alone. */
  readonly settings?: Settings;
  /** Finds what all answers of one name need, such as a calibration. @throws UserError if it cannot answer */
  prepare?(named: NamedText, resources: Resources): Promise<P>;
  /**
   * Answers a request. The last piece has the one receipt of all calls; the first and the last have what is shown. A
   * promise is settled before any model is called: a request that is refused has no bill.
   */
  answer(
    named: NamedText,
    resources: Resources,
    request: TextRequest,
    prepared: P,
  ): AsyncGenerator<ShownPiece, void> | Promise<AsyncGenerator<ShownPiece, void>>;
}

/** A pipeline that orders texts by a query, written once for the library, the server and the lab. `P`: what `prepare` found. */
export interface RankPipeline<P extends PreparedRank = PreparedRank> extends ModelsPipeline {
  /** Fields of requests that set options, by name. */
  readonly fields: Readonly<Record<string, { readonly option: string; readonly schema: z.ZodType }>>;
  /** Options that are flags of `rerank`. */
  readonly flags: z.ZodObject;
  /** Options under which the models write what they are spared otherwise: the lab's dense. */
  readonly written: Values;
  /** The pipeline with options that take the place of those in its name. @throws UserError that names the option */
  under(named: NamedRank, options: Values): NamedRank;
  /** @throws UserError if a role has no name of a model, as the command line has them */
  checkNames(named: NamedRank): Promise<void>;
  /** The sentence for a role whose model a server does not have, and whether the name is no model's anywhere. */
  missing(named: NamedRank, role: string, reason: string): readonly [sentence: string, isWrong: boolean];
  /** `hashOf` gives the SHA-256 of a role's model; undefined leaves out what was trained for it. @throws UserError */
  prepare(named: NamedRank, hashOf: (role: string) => Promise<string | undefined>): Promise<P>;
  /** @throws UserError if the dense role's model cannot rank */
  checkModel(model: HeldModel, prepared: P): Promise<void>;
  /** @throws UserError for an empty query or list, a query that is too long, or a ceiling that is too low */
  rank(named: NamedRank, models: Pick<Resources, "use">, request: RankRequest, prepared: P): Promise<Reranked>;
}

/** Options by name. */
type Values = Readonly<Record<string, unknown>>;

export type NamedRank = Named<RankPipeline>;

/** What was trained for the model of the dense role. */
export interface PreparedRank {
  /** The folder of an adapter. */
  readonly adapter?: string | undefined;
  /** What its users should know. */
  readonly notice?: string | undefined;
}

/** The conditions under which texts are read, or ranked. */
export type TurnTerms = Omit<EncodeTerms, "signal"> & Pick<CallTerms, "signal" | "onStopped">;

export interface RankRequest extends TurnTerms {
  readonly query: string;
  readonly documents: readonly string[];
  /** FLOPs that may be spent. */
  readonly ceiling?: number | undefined;
}

/** One window of a reranking, as it was read and ordered. */
export interface WindowTrace {
  /** Places of the list from..to, `to` excluded. */
  readonly window: readonly [from: number, to: number];
  /** The passages in the order that they were read, as indices of the given documents. */
  readonly passages: readonly { readonly letter: string; readonly index: number; readonly logit: number }[];
  /** Letters, best first. */
  readonly order: readonly string[];
  readonly text?: string;
  readonly words: number;
  readonly tokens: Receipt["tokens"];
}

export interface Reranked {
  /** Indices of the documents, best first. */
  readonly order: readonly number[];
  /** A relevance score for each document: 1 over its rank. Logits of different windows would not compare. */
  readonly scores: readonly number[];
  readonly windows: readonly WindowTrace[];
  readonly receipt: Receipt;
}

/** What only a server asks of a pipeline. Its models may run on other servers, and take the savings of a request's key. */
export interface Serving {
  /** The pipeline in sentences: `pair`. */
  readonly noun: string;
  /** A name's form: `A>B`. */
  readonly form: string;
  /** The refusal of a request's savings that do not stand for options. */
  readonly noSavings: string;
  /** Options that another name stands for, on a server of one such pipeline. @throws UserError that names the option */
  alias(model: string): string | undefined;
  /** The option of a request that its answers do not take, and why; `remote`: its models of other servers, by role. */
  refusal(request: TextRequest, remote: Roles): readonly [option: string, why: string] | undefined;
}

/** Names of models by their parts in a pipeline. */
export type Roles = Readonly<Record<string, string>>;

/** A name's parts. */
interface Parsed {
  readonly roles: Roles;
  /** The options as written: `n=5`; empty if there are none. */
  readonly given: string;
  /** The same by name, of a pipeline that takes options beside its name. */
  readonly values?: Values;
}

/** A pipeline over models. */
export interface Named<P extends ModelsPipeline = ModelsPipeline> extends Parsed {
  readonly pipeline: P;
  /** Without its options. */
  readonly name: string;
  /** The options are the server's default: dense answers requests unlike the certificate's test; none is refused. */
  readonly byDefault?: true;
}

export type NamedText = Named<TextPipeline>;

interface Field {
  readonly field: string;
  readonly schema: z.ZodType;
}

/** A field of answers that only this pipeline has. */
export interface Shows extends Field {
  /** True if a stream has it in its first event; otherwise it is in the last. */
  readonly first?: true;
  /** A line for people, before an answer that is printed as it comes. */
  line?(shown: unknown): string | undefined;
}

/** What a request says of a pipeline besides its name: a field of chats, and flags of `run`. */
export interface Settings {
  readonly field: string;
  /** Tokens of an answer, unless a request says otherwise. */
  readonly maxTokens: number;
  /** By name, without dashes. */
  readonly flags: Readonly<Record<string, { readonly value: string; readonly help: string }>>;
  /** What belongs to one model, and is refused beside the pipeline. */
  readonly alone: { readonly fields: readonly string[]; readonly flags: readonly string[] };
  load(): Promise<SettingsReader>;
}

/** Reads the settings of `answer`. */
interface SettingsReader {
  /** The field's. */
  readonly schema: z.ZodType;
  /** @throws UserError */
  ofField(value: unknown): unknown;
  /** @throws UserError */
  ofFlags(values: Readonly<Record<string, unknown>>): unknown;
}

/** The options of a request, passed on to models as they are, and what a pipeline may set of them. */
export type CallOptions = AnswerOptions & CallTerms;

export interface AnswerOptions extends GenerateInput {
  /** Take a text as it is, without the model's chat template. */
  readonly raw?: boolean | undefined;
  /** Draw tokens by the model's own settings. */
  readonly modelSampling?: boolean | undefined;
  /** The most that the answer may cost, for a certificate to choose by. */
  readonly budget?: Budget | undefined;
}

export interface TextRequest {
  readonly prompt: Prompt;
  readonly options: AnswerOptions;
  /** As the pipeline's `settings` read them. */
  readonly settings?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** When a server took the request, on the clock of `performance.now()`. */
  readonly arrived?: number | undefined;
  /** Called with the cost of a request that ended without its receipt. */
  readonly onStopped?: ((receipt: Receipt) => void) | undefined;
  /** The reader takes the whole answer at once. */
  readonly whole?: boolean | undefined;
}

/** A piece of an answer, with the value of the pipeline's field in the first and the last. */
export interface ShownPiece extends ModelPiece {
  /** Whose tokens it has. */
  readonly role: string;
  readonly shown?: unknown;
  /** Tokens that were written for the answer and are no part of it, beside what is shown. */
  readonly reasoning?: number;
}

/** Tokens of a prompt, of which `cached` came from a cache, and of an answer. */
interface Lengths {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

/** What is known of a model after its use. */
export interface Facts {
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** The dense cost. */
  price(lengths: Lengths): Spent;
}

/** A model in memory while it is in use. */
export interface HeldModel {
  readonly name: string;
  readonly loaded: LoadedModel;
  /** @throws UserError if it does not go on with texts */
  readonly language: LanguageModel;
  generate(prompt: Prompt, options: CallOptions & Saving): AsyncIterable<ModelPiece>;
  /** Scores each text against the query. */
  relevance(query: string, texts: readonly string[], options: TurnTerms & Saving & Ceiling): Promise<Relevance>;
  /** What belongs to the model, made once under each key and freed with it. */
  attached<T extends Disposable>(key: string, make: () => Promise<T>): Promise<T>;
}

/** The savings of a call; those that the model was loaded with if absent. */
type Saving = { readonly save?: Recipe | undefined };
type Ceiling = { readonly ceiling?: { readonly flops?: number | undefined } };

/** Scores by text, and what they cost. */
export interface Relevance {
  readonly scores: readonly number[];
  readonly receipt: Receipt;
}

/** A prompt, or what makes it with the model that reads it. */
export type AnyPrompt = Prompt | ((model: HeldModel) => Promise<SpannedPrompt>);

/** A certificate of `lab tune`, and its name. */
export interface NamedCertificate {
  readonly name: string;
  readonly certificate: Certificate;
  /** False: dense answers a request that is read or drawn otherwise than the test's requests; true: it is refused. */
  readonly strict: boolean;
}

/**
 * The models of one request, by role. The library owns them, the server leases them from its pool for each call, so that
 * no request holds one model while it waits for another.
 */
export interface Resources {
  facts(role: string): Promise<Facts>;
  /** Only one model is in use at a time. `save`: the savings that its calls name. */
  use<T>(role: string, work: (model: HeldModel, save: Recipe) => Promise<T>): Promise<T>;
  generate(role: string, prompt: AnyPrompt, options: CallOptions): AsyncIterable<ModelPiece>;
  /** Names a model by its weights, which are unknown of another server's, and its recipe. Loads nothing. */
  identity(role: string): Promise<ModelIdentity>;
  /** The form in which a model's weights run, as far as it is known. Loads nothing. */
  form(role: string): ModelForm;
  /** The share of a prompt that a model's cache holds, 0 to 1. Loads nothing. */
  held(role: string, prompt: Prompt, options: AnswerOptions): number;
  /** Like a model's own `price`. Loads nothing. */
  price(role: string, ...priced: Parameters<CalledModel<AnswerOptions>["price"]>): Promise<Priced | undefined>;
  /** A certificate's choice for a request whose tokens this model counts. @throws UserError if it is refused */
  choice(role: string, certificate: NamedCertificate, request: TextRequest): Promise<Choice>;
  /** Called with a sentence for whoever runs the pipeline. */
  notice(sentence: string): void;
  /** Called if a model failed and another's answer is given: with the sentence for a log, and the reason. */
  degraded(sentence: string, reason: string): void;
}

/** A pipeline with its options as recipes have it: `vote:n=5`. */
export const recipeOf = ({ pipeline, given }: Named): string =>
  given === "" ? pipeline.name : `${pipeline.name}:${given}`;
