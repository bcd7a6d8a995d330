import type { z } from "zod";
import type { Receipt } from "../ledger/receipt.ts";
import type { ModelsPipeline, NamedPipeline, Values } from "./pipeline.ts";
import type { TurnTerms } from "./request.ts";
import type { HeldModel, Resources } from "./resources.ts";

/**
 * A pipeline that orders texts by a query, written once for the library, the server and the lab. `P`: the result of
 * `prepare`.
 */
export interface RankPipeline<P extends PreparedRank = PreparedRank> extends ModelsPipeline {
  /** Request fields that set options, by field name. */
  readonly fields: Readonly<Record<string, { readonly option: string; readonly schema: z.ZodType }>>;
  /** Options that are flags of `rerank`. */
  readonly flags: z.ZodObject;
  /** Options that make the models write the full output, which is the lab's dense baseline. */
  readonly written: Values;
  /** The pipeline with options that override those in its name. @throws UserError that names the option */
  under(named: NamedRank, options: Values): NamedRank;
  /** @throws UserError if a role has no model name, as on the command line */
  checkNames(named: NamedRank): Promise<void>;
  /** The error for a role whose model the server lacks; `isWrong` if no server knows the name. */
  missing(named: NamedRank, role: string, reason: string): readonly [sentence: string, isWrong: boolean];
  /**
   * `hashOf` returns the SHA-256 of a role's model; if it is undefined, artefacts trained for that model are ignored.
   * @throws UserError
   */
  prepare(named: NamedRank, hashOf: (role: string) => Promise<string | undefined>): Promise<P>;
  /** @throws UserError if the dense role's model cannot rank */
  checkModel(model: HeldModel, prepared: P): Promise<void>;
  /** @throws UserError for an empty query or list, a query that is too long, or a ceiling that is too low */
  rank(named: NamedRank, models: Pick<Resources, "use">, request: RankRequest, prepared: P): Promise<Reranked>;
}

export type NamedRank = NamedPipeline<RankPipeline>;

/** Artefacts trained for the model of the dense role. */
export interface PreparedRank {
  /** The folder of an adapter. */
  readonly adapter?: string | undefined;
  /** A notice for the adapter's users. */
  readonly notice?: string | undefined;
}

export interface RankRequest extends TurnTerms {
  readonly query: string;
  readonly documents: readonly string[];
  /** The maximum FLOPs to spend. */
  readonly ceiling?: number | undefined;
}

/** One window of a reranking: its passages as read, and their order. */
export interface WindowTrace {
  /** Indices of the list, `from` inclusive, `to` exclusive. */
  readonly window: readonly [from: number, to: number];
  /** The passages in the order that the model read, as indices of the caller's documents. */
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
  /** A relevance score for each document: 1 over its rank. Logits of different windows are not comparable. */
  readonly scores: readonly number[];
  readonly windows: readonly WindowTrace[];
  readonly receipt: Receipt;
}
