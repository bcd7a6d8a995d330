import type { EncoderModel } from "../engine/encoders/text/encoder-model.ts";
import type { EncodeTerms } from "../engine/encoders/text/encoder-queue.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Memo } from "../util/memo.ts";
import type { WordVectors } from "../weights/vectors/word-vectors.ts";
import type { Resources, TextIndex } from "./resources.ts";

/** The options of one model or index call. */
export interface ReadTerms extends Omit<EncodeTerms, "signal"> {
  readonly signal?: AbortSignal;
  /** The maximum FLOPs to spend. */
  readonly ceiling?: { readonly flops?: number | undefined } | undefined;
  readonly onStopped?: (receipt: Receipt) => void;
}

/** Labels texts in a pipeline. */
export interface LabelResources extends Pick<Resources, "notice"> {
  /** The model as receipts show it. */
  readonly name: string;
  readonly reader: Reader;
  readonly index: Omit<TextIndex, "meanTerms"> | undefined;
  /** Values kept between requests. */
  readonly memo: Memo;
}

/** Word vectors, opened in `ms` milliseconds, or an encoder. */
export type Reader =
  | { readonly kind: "words"; readonly vectors: WordVectors; readonly ms: number }
  | { readonly kind: "encoder"; readonly use: Lend };

/** Runs `work` with the model while it is available: a server leases it for one batch of texts. */
export type Lend = <T>(work: (model: EncodingModel) => Promise<T>) => Promise<T>;

export interface EncodingModel {
  readonly encoder: Pick<EncoderModel, "tokensOf" | "room"> & Partial<Pick<EncoderModel, "classifier">>;
  embed(texts: readonly string[], terms: ReadTerms): Promise<{ embeddings: Float32Array[]; receipt: Receipt }>;
}
