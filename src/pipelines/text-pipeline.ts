import type { z } from "zod";
import type { ModelPiece } from "./model.ts";
import type { Field, ModelsPipeline, Named, Pipeline, Roles } from "./pipeline.ts";
import type { TextRequest } from "./request.ts";
import type { HeldModel, Resources } from "./resources.ts";

/** A pipeline that answers with texts, written once for the library, the server and the lab. `P`: what `prepare` found. */
export interface AnsweringPipeline<P = unknown> extends Pipeline {
  readonly shows: Pick<Shows, "field" | "first">;
  readonly serving?: Serving;
  /** Finds what all answers of one name need, such as a calibration. @throws UserError if it cannot answer */
  prepare?(named: Named<this>, resources: Resources): Promise<P>;
  /**
   * Answers a request. The last piece has the one receipt of all calls; the first and the last have what is shown. A
   * promise is settled before any model is called: a request that is refused has no bill.
   */
  answer(
    named: Named<this>,
    resources: Resources,
    request: TextRequest,
    prepared: P,
  ): AsyncGenerator<ShownPiece, void> | Promise<AsyncGenerator<ShownPiece, void>>;
}

/** One that a model's name stands for, and that answers as a model does. */
export interface TextPipeline<P = unknown> extends AnsweringPipeline<P>, ModelsPipeline {
  readonly naming: ModelsPipeline["naming"];
  /** Absent if all models go on with texts. @throws UserError for models that their roles cannot use */
  checkModels?(models: Readonly<Record<string, HeldModel>>): Promise<void>;
  readonly shows: Shows;
  /** True if a certificate of `lab tune` may stand for its options, and choose by a request's budget. */
  readonly certified?: true;
  /** What a request may say beside the name. Over HTTP, such a pipeline answers chats alone. */
  readonly settings?: Settings;
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

export type NamedText = Named<TextPipeline>;

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

/** A piece of an answer, with the value of the pipeline's field in the first and the last. */
export interface ShownPiece extends ModelPiece {
  /** Whose tokens it has. */
  readonly role: string;
  readonly shown?: unknown;
  /** Tokens of a plan that were written for the answer and are no part of it, beside what is shown. */
  readonly planTokens?: number;
}
