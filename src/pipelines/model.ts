import { z } from "zod";
import type { FinishReason } from "../engine/decode/answer/generate.ts";
import type { Prompt } from "../engine/decode/language-model.ts";
import type { Sampled } from "../engine/decode/sampling/sampler.ts";
import type { Spent } from "../graph/index.ts";
import type { Receipt } from "../ledger/receipt.ts";
import { type ModelForm, modelForm } from "../weights/prepared/quant.ts";

/** A piece of a model's answer; the last piece has a reason and a receipt. */
export interface ModelPiece {
  readonly text: string;
  /** Reasoning before the text. */
  readonly reasoning?: string;
  readonly tokens: readonly Sampled[];
  readonly finishReason?: FinishReason;
  readonly receipt?: Receipt;
}

/** Options that a pipeline adds to the request's own options for one model call. */
export interface CallTerms {
  readonly signal?: AbortSignal;
  /** The request's arrival, as in `performance.now()`; set only for its first call. */
  readonly arrived?: number | undefined;
  /** Called with the receipt of an answer that was stopped or failed. */
  readonly onStopped?: (receipt: Receipt) => void;
  /** Called with each token's logits before the token is chosen; they are valid until the call returns. */
  readonly observe?: (logits: Float32Array) => void;
}

/** An answer to price: its text, and whether the model ended it by itself. */
export interface PricedAnswer {
  readonly text: string;
  readonly tokens: number;
  readonly ended: boolean;
}

/** A dense cost, and the number of prompt tokens. */
export type DensePrice = Spent & { readonly prompt: number };

/** A model as a pipeline calls it: in this process, or on another server. `O`: a request's options, passed through unchanged. */
export interface CalledModel<O extends object> {
  /** Answers a raw prompt; each model has its own template and tokens. */
  generate(prompt: Prompt, options: O & CallTerms): AsyncIterable<ModelPiece>;
  /** The cached share of a prompt, 0 to 1; absent if unknown. */
  held?(prompt: Prompt, options: O): number;
  /**
   * This model's dense cost of the prompt and this answer, with `cached` as the cached share of the prompt; undefined
   * if unknown.
   */
  price(
    prompt: Prompt,
    answer: PricedAnswer,
    options: O,
    cached: number,
  ): Promise<DensePrice | undefined> | DensePrice | undefined;
}

/** A model's weights, recipe and form: its scores depend on all of them. */
export const modelIdentity = z.strictObject({
  name: z.string().min(1),
  /** Hex SHA-256 of the model's weights; absent for a model on another server. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits")
    .optional(),
  recipe: z.array(z.string()).default([]),
  quant: z.string().default("auto"),
  /** The bits per code with which its 4-bit weights ran, if known; a different number changes scores slightly. */
  codes: modelForm.shape.codes,
  /** Set if the model's layers ran in rotated 8-bit form, whether `quant` named that form or loading chose it. */
  form: z.literal("q8r").optional(),
});
export type ModelIdentity = z.output<typeof modelIdentity>;

/** The part of a model's form that is recorded with its scores. */
export const recordedForm = ({ quant, codes }: ModelForm): Pick<ModelIdentity, "codes" | "form"> => ({
  ...(codes !== undefined && { codes }),
  ...(quant === "q8r" && { form: quant }),
});

/** True if two records of a model's scores have the same weight form. */
export const runAlike = (a: ModelIdentity, b: ModelIdentity): boolean => a.codes === b.codes && a.form === b.form;
