import type { GenerateInput } from "../engine/decode/answer/generate.ts";
import type { Prompt } from "../engine/decode/language-model.ts";
import type { Tool } from "../engine/decode/tools/tools.ts";
import type { EncodeTerms } from "../engine/encoders/text/encoder-queue.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Budget } from "../savings/auto/guarantee.ts";
import type { CallTerms } from "./model.ts";

/** The conditions under which texts are read or ranked. */
export type TurnTerms = Omit<EncodeTerms, "signal"> & Pick<CallTerms, "signal" | "onStopped">;

/** A request's options, passed to models unchanged, and the options that a pipeline may set. */
export type CallOptions = AnswerOptions & CallTerms;

export interface AnswerOptions extends GenerateInput {
  /** If true, uses a text unchanged, without the model's chat template. */
  readonly raw?: boolean | undefined;
  readonly tools?: readonly Tool[] | undefined;
  /** If true, samples with the model's own settings. */
  readonly modelSampling?: boolean | undefined;
  /** The maximum cost of the answer, for certificates. */
  readonly budget?: Budget | undefined;
}

export interface TextRequest {
  readonly prompt: Prompt;
  readonly options: AnswerOptions;
  /** The result of the pipeline's `settings`. */
  readonly settings?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** The time when a server received the request, as in `performance.now()`. */
  readonly arrived?: number | undefined;
  /** Called with the receipt of a request that was stopped or failed. */
  readonly onStopped?: ((receipt: Receipt) => void) | undefined;
  /** True if the reader wants the whole answer at once. */
  readonly whole?: boolean | undefined;
}
