import type { z } from "zod";
import type { GenerateInput } from "../engine/decode/answer/generate.ts";
import type { Prompt } from "../engine/decode/language-model.ts";
import type { Spent } from "../graph/index.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Tokenizer } from "../weights/tokenizer/index.ts";
import type { CallTerms, ModelPiece } from "./model.ts";

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
  /** The calls that take such a name. */
  readonly takers: string;
}

/** A pipeline that answers as a model does, written once for the library, the server and the lab. */
export interface TextPipeline extends Pipeline {
  readonly naming: Naming;
  /** Reads a name; undefined if it is another's. @throws UserError that names the option */
  parse(model: string): Parsed | undefined;
  /** The name of models by role, without options. */
  nameOf(roles: Roles): string;
  /** The role whose model alone is dense. */
  readonly dense: string;
  readonly shows: Shows;
  /** Answers a request. The last piece has the one receipt of all calls; the first and the last have what is shown. */
  answer(named: NamedText, resources: Resources, request: TextRequest): AsyncGenerator<ShownPiece, void>;
}

/** Names of models by their parts in a pipeline. */
type Roles = Readonly<Record<string, string>>;

/** A name's parts. */
interface Parsed {
  readonly roles: Roles;
  /** The options as written: `n=5`; empty if there are none. */
  readonly given: string;
}

/** A pipeline over models. */
export interface NamedText extends Parsed {
  readonly pipeline: TextPipeline;
  /** Without its options. */
  readonly name: string;
}

/** A field of answers that only this pipeline has. */
interface Shows {
  readonly field: string;
  readonly schema: z.ZodType;
}

/** The options of a request, passed on to models as they are, and what a pipeline may set of them. */
export type CallOptions = AnswerOptions & CallTerms;

interface AnswerOptions extends GenerateInput {
  /** Take a text as it is, without the model's chat template. */
  readonly raw?: boolean | undefined;
  /** Draw tokens by the model's own settings. */
  readonly modelSampling?: boolean | undefined;
}

export interface TextRequest {
  readonly prompt: Prompt;
  readonly options: AnswerOptions;
  readonly signal?: AbortSignal | undefined;
  /** When a server took the request, on the clock of `performance.now()`. */
  readonly arrived?: number | undefined;
  /** Called with the cost of a request that ended without its receipt. */
  readonly onStopped?: ((receipt: Receipt) => void) | undefined;
}

/** A piece of an answer, with the value of the pipeline's field in the first and the last. */
export interface ShownPiece extends ModelPiece {
  /** Whose tokens it has. */
  readonly role: string;
  readonly shown?: unknown;
}

/** Tokens of a prompt, of which `cached` came from a cache, and of an answer. */
interface Lengths {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

/** What is known of a model after its use. */
export interface Facts {
  readonly tokenizer: Tokenizer;
  /** The dense cost. */
  price(lengths: Lengths): Spent;
}

/**
 * The models of one request, by role. The library owns them, the server leases them from its pool for each call, so that
 * no request holds one model while it waits for another.
 */
export interface Resources {
  facts(role: string): Promise<Facts>;
  generate(role: string, prompt: Prompt, options: CallOptions): AsyncIterable<ModelPiece>;
}

/** A pipeline with its options as recipes have it: `vote:n=5`. */
export const recipeOf = ({ pipeline, given }: NamedText): string =>
  given === "" ? pipeline.name : `${pipeline.name}:${given}`;
