import type { z } from "zod";
import type { ModelPiece } from "./model.ts";
import type { Field, ModelsPipeline, NamedPipeline, Pipeline, Roles } from "./pipeline.ts";
import type { TextRequest } from "./request.ts";
import type { HeldModel, Resources } from "./resources.ts";

/** A pipeline that answers with texts, written once for the library, the server and the lab. `P`: the result of `prepare`. */
export interface AnsweringPipeline<P = unknown> extends Pipeline {
  readonly shows: Pick<Shows, "field" | "first">;
  readonly serving?: Serving;
  /** Loads data shared by all answers under a name, such as a calibration. @throws UserError if it cannot be loaded */
  prepare?(named: NamedPipeline<this>, resources: Resources): Promise<P>;
  /**
   * Answers a request. The last piece has the receipt for all calls; the first and last pieces have the pipeline's
   * field. The promise settles before any model is called, so a refused request has no bill.
   */
  answer(
    named: NamedPipeline<this>,
    resources: Resources,
    request: TextRequest,
    prepared: P,
  ): AsyncGenerator<ShownPiece, void> | Promise<AsyncGenerator<ShownPiece, void>>;
}

/** A pipeline that a model name selects, and that answers as a model does. */
export interface TextPipeline<P = unknown> extends AnsweringPipeline<P>, ModelsPipeline {
  readonly naming: ModelsPipeline["naming"];
  /** Checks that each model fits its role; absent if any text model fits every role. @throws UserError */
  checkModels?(models: Readonly<Record<string, HeldModel>>): Promise<void>;
  readonly shows: Shows;
  /** True if a certificate of `lab tune` may replace its options, and choose by a request's budget. */
  readonly certified?: true;
  /** A request's settings besides the name. Over HTTP, a pipeline with settings answers only chats. */
  readonly settings?: Settings;
}

/** A pipeline's settings on a server. Its models may run on other servers, and use the savings of a request's API key. */
export interface Serving {
  /** The pipeline's name in messages: `pair`. */
  readonly noun: string;
  /** A name's syntax: `A>B`. */
  readonly form: string;
  /** The reason for refusing a request's savings; unused if savings replace the pipeline's options. */
  readonly noSavings: string;
  /**
   * Returns the options in an alias, a name for a server's only pipeline of this kind; undefined for other names.
   * @throws UserError that names the option
   */
  alias(model: string): string | undefined;
  /** An unsupported option in a request, and why it is refused; `remote`: models on other servers, by role. */
  refusal(request: TextRequest, remote: Roles): readonly [option: string, why: string] | undefined;
}

export type NamedText = NamedPipeline<TextPipeline>;

/** A response field that only this pipeline has. */
export interface Shows extends Field {
  /** If true, a stream sends the field in its first event; otherwise in its last. */
  readonly first?: true;
  /** A readable line that is printed before a streamed answer. */
  line?(shown: unknown): string | undefined;
}

/** A request's settings for a pipeline besides its name: a chat field, and flags of `run`. */
export interface Settings {
  readonly field: string;
  /** The default maximum tokens of an answer. */
  readonly maxTokens: number;
  /** The flags by name, without dashes. */
  readonly flags: Readonly<Record<string, { readonly value: string; readonly help: string }>>;
  /** Options of a single model, which the pipeline refuses. */
  readonly alone: { readonly fields: readonly string[]; readonly flags: readonly string[] };
  load(): Promise<SettingsReader>;
}

/** Parses settings for `answer`. */
interface SettingsReader {
  /** The schema of the field's value. */
  readonly schema: z.ZodType;
  /** @throws UserError */
  ofField(value: unknown): unknown;
  /** @throws UserError */
  ofFlags(values: Readonly<Record<string, unknown>>): unknown;
}

/** A piece of an answer, with the pipeline's field if it is the first or the last. */
export interface ShownPiece extends ModelPiece {
  /** The role of the model that generated the tokens. */
  readonly role: string;
  readonly shown?: unknown;
  /** The number of generated plan tokens, which count neither in the answer nor in the pipeline's own field. */
  readonly planTokens?: number;
}
