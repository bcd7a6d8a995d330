import type { Piece } from "../../engine/decode/answer/generate.ts";
import type { LanguageModel } from "../../engine/decode/language-model.ts";
import type { Lease } from "../../engine/decode/run/recipes.ts";
import type { DiffusionModel } from "../../engine/diffusion/diffusion-model.ts";
import type { TextOrImage } from "../../engine/encoders/image-text/image-text-model.ts";
import type { Classification, Reading } from "../../engine/encoders/text/classifier.ts";
import type { Answers, EncoderModel, ReadTerms } from "../../engine/encoders/text/encoder-model.ts";
import type { ImagineTerms } from "../../engine/images/imagine/image-model.ts";
import type { ImagineOptions } from "../../engine/images/imagine/options.ts";
import type { Picture } from "../../engine/images/pixels/encode.ts";
import type { ImageInput } from "../../engine/images/pixels/input.ts";
import type { Turns } from "../../engine/schedule/fair-queue.ts";
import type { SchedulerOptions } from "../../engine/schedule/scheduler.ts";
import type { Job } from "../../engine/schedule/ticket.ts";
import type { Seq2SeqModel } from "../../engine/seq2seq/seq2seq-model.ts";
import type { Recognized, RecognizeRequest } from "../../pipelines/recognize/recognize.ts";
import type { HeldModel } from "../../pipelines/resources.ts";
import type { Auditor } from "../auditor.ts";

/** A model that generates text. */
export type Generative = LanguageModel | Seq2SeqModel | DiffusionModel;

/** A request to generate. `audit` is false to exclude it from audits. */
export type AnswerJob = Job & { readonly audit?: boolean | undefined };

/** The options of a call that reads texts, plus its recipe if the model supports savings. */
export type LeasedTerms = ReadTerms & { readonly lease?: Lease | undefined };

/** The calls of `Model` that not every kind of model has. */
export interface Calls {
  readonly language: LanguageModel;
  readonly generative: Generative;
  readonly encoder: EncoderModel;
  answer(job: AnswerJob): AsyncIterable<Piece>;
  embed(inputs: readonly TextOrImage[], terms: ReadTerms): Promise<Answers<Float32Array>>;
  classify(
    inputs: readonly (Reading | ImageInput)[],
    labels: readonly string[] | undefined,
    terms: LeasedTerms,
  ): Promise<Answers<Classification>>;
  relevance(query: string, texts: readonly string[], terms: LeasedTerms): Promise<Answers<number>>;
  imagine(options: ImagineOptions, terms: ImagineTerms): Promise<Answers<Picture>>;
  recognize(request: RecognizeRequest, held: Pick<HeldModel, "attached">): Promise<Recognized>;
}

/** The implementation of `Model` for one kind of loaded model. */
export interface Face extends Partial<Calls> {
  /** Makes all later calls queue. */
  schedule?(options: SchedulerOptions): Turns;
  audit?(auditor: Auditor): void;
}
