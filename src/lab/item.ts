import type { VisualSpan } from "../savings/plan.ts";
import type { ChatMessage } from "../weights/tokenizer/index.ts";

/** A task's questions, and a model's answers. An item's kind determines how the model answers it. */

interface Base {
  /** Unique within its task and the same in every run, so that results can be joined by id. */
  readonly id: string;
}

/** A text and its continuation. */
export interface Continuation {
  readonly context: string;
  /** The text to score, with its leading space or line break. */
  readonly continuation: string;
}

/** Asks which of several continuations is likeliest. Contexts may differ (Winogrande) or be the same (ARC). */
export interface ChoiceItem extends Base {
  readonly kind: "choice";
  readonly choices: readonly Continuation[];
  /** Index of the correct choice. */
  readonly gold: number;
}

/** Scores one continuation, and whether greedy decoding would produce it (LAMBADA). */
export interface ContinuationItem extends Base, Continuation {
  readonly kind: "continuation";
}

/** Free text, compared with reference answers. */
export interface GenerationItem extends Base {
  readonly kind: "generation";
  readonly prompt: string;
  /** The prompt as turns of the model's chat template; if absent, the prompt is read as plain text. */
  readonly messages?: readonly ChatMessage[];
  /** The prompt as tokens, so that it can be cut between tokens. */
  readonly promptTokens?: readonly number[];
  /** Images before the prompt, as file bytes, for models that read images. */
  readonly images?: readonly Uint8Array[];
  /** The prompt's image tokens, counted without the start token. */
  readonly visual?: readonly VisualSpan[];
  /** Text after the answer, for models that infill. */
  readonly suffix?: string;
  /** Any of these strings ends the answer. */
  readonly stop: readonly string[];
  /** In tokens. */
  readonly maxTokens: number;
  /** Reference answers, any of which is correct. */
  readonly answers: readonly string[];
  /** Tokens of the first reference answer; if present, the model's answer also reports its tokens. */
  readonly answerTokens?: readonly number[];
  /**
   * The end of a Python program made of prompt, answer and this text; it fails if the answer is wrong. Run only if the
   * user allows it.
   */
  readonly tests?: string;
}

/** Scores how well the model predicts a text. */
export interface TextItem extends Base {
  readonly kind: "text";
  readonly text: string;
}

/** Asks for a text's label: by a classifier's head, by the similarity of embeddings, or by a decoder's likelihood. */
export interface LabelItem extends Base {
  readonly kind: "label";
  readonly text: string;
  readonly labels: readonly string[];
  /** Index of the correct label. */
  readonly gold: number;
}

export interface Document {
  readonly id: string;
  readonly text: string;
}

/** Orders documents by how well they answer a query. */
export interface RankingItem extends Base {
  readonly kind: "ranking";
  readonly query: string;
  /** One corpus is shared between items. */
  readonly documents: readonly Document[];
  /** Grade by document id; other documents have grade 0. */
  readonly relevance: Readonly<Record<string, number>>;
}

export type Item = ChoiceItem | ContinuationItem | GenerationItem | TextItem | LabelItem | RankingItem;
export type ItemKind = Item["kind"];

/** Log-likelihood of a continuation, in nats, and whether every token of it was the likeliest. */
export interface Likelihood {
  readonly logLikelihood: number;
  readonly greedy: boolean;
  readonly tokens: number;
}

/** A generated text. The other fields are present only if the item has `answerTokens`. */
interface GenerationAnswer {
  readonly text: string;
  /** The answer's tokens without the end token. */
  readonly tokens?: readonly number[];
  /** Layers per token, averaged over the answer's tokens. */
  readonly layers?: number;
  /** True if the recipe ended the answer with a `stop` decision. */
  readonly stopped?: true;
}

/** A model's answer to each kind of item. */
export interface AnswerOf {
  readonly choice: { readonly likelihoods: readonly Likelihood[] };
  readonly continuation: Likelihood;
  readonly generation: GenerationAnswer;
  readonly text: { readonly logLikelihood: number; readonly tokens: number };
  /** Higher is likelier; one score per label. */
  readonly label: { readonly scores: readonly number[] };
  /** Document ids, best first. */
  readonly ranking: { readonly order: readonly string[] };
}

export type Answer<K extends ItemKind = ItemKind> = AnswerOf[K];
export type ItemOf<K extends ItemKind> = Extract<Item, { kind: K }>;
