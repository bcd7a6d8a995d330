import type { Answers, EncoderModel } from "../../engine/encoders/text/encoder-model.ts";
import { cosine } from "../../util/cosine.ts";
import { UserError } from "../../util/errors.ts";
import type { Document, Item, LabelItem, RankingItem } from "../item.ts";
import type { Answerer, Plan, Reply } from "./answerer.ts";
import { overlong } from "./overlong.ts";
import { bill } from "./pieces.ts";

/**
 * Answers with an encoder: by its head's scores, or by the similarity of embeddings. It cuts long texts at their end,
 * as in training.
 */
export class EncoderAnswerer implements Answerer {
  /** Embeddings of lists that items share: labels, documents. */
  readonly #shared = new WeakMap<object, Promise<Answers<Float32Array>>>();

  constructor(private readonly model: EncoderModel) {}

  countTokens(text: string): number {
    return this.model.tokenizer.input(text).ids.length;
  }

  plan(item: Item): Plan {
    switch (item.kind) {
      case "label":
        return this.model.classifier
          ? (signal) => this.#classify(item, signal)
          : (signal) => this.#nearest(item, signal);
      case "ranking":
        return this.model.classifier ? (signal) => this.#judge(item, signal) : (signal) => this.#rank(item, signal);
      case "choice":
      case "continuation":
      case "generation":
      case "text":
        throw new UserError(
          `${this.model.source.name} is an encoder; the task's kind is ${item.kind}, expected label or ranking`,
        );
    }
  }

  /** Embedding a corpus takes much longer than embedding a query, and embedding labels longer than embedding a text. */
  async prepare(item: Item, signal?: AbortSignal): Promise<void> {
    if (this.model.classifier) return;
    if (item.kind === "label") await this.#embedded(item.labels, item.labels, signal);
    if (item.kind === "ranking") await this.#embedded(item.documents, textsOf(item), signal);
  }

  cutTexts(items: readonly Item[]): number {
    return overlong(this.model, items);
  }

  async #classify({ text, labels }: LabelItem, signal?: AbortSignal): Promise<Reply> {
    const { answers, usage } = await this.model.classify([text], labels, { signal });
    return { answer: { scores: labels.map((label) => answers[0]!.scores[label]!) }, ...bill(usage) };
  }

  async #nearest({ text, labels }: LabelItem, signal?: AbortSignal): Promise<Reply> {
    const { scores, ...bill } = await this.#similarity(text, labels, labels, signal);
    return { answer: { scores }, ...bill };
  }

  async #rank(item: RankingItem, signal?: AbortSignal): Promise<Reply> {
    const { query, documents } = item;
    const { scores, ...bill } = await this.#similarity(query, documents, textsOf(item), signal);
    return { answer: { order: ordered(documents, scores) }, ...bill };
  }

  async #judge(item: RankingItem, signal?: AbortSignal): Promise<Reply> {
    const { query, documents } = item;
    const { answers, usage } = await this.model.relevance(query, textsOf(item), { signal });
    return { answer: { order: ordered(documents, answers) }, ...bill(usage) };
  }

  /** The bill is the item's own, as if nothing were shared, so it does not depend on earlier items. */
  async #similarity(text: string, list: object, others: readonly string[], signal?: AbortSignal) {
    const own = await this.model.embed([text], { signal });
    const shared = await this.#embedded(list, others, signal);
    const sum = (what: "flops" | "bytes") => ({
      dense: own.usage[what].dense + shared.usage[what].dense,
      spent: own.usage[what].spent + shared.usage[what].spent,
    });
    const scores = shared.answers.map((other) => cosine(own.answers[0]!, other));
    return { scores, flops: { ...sum("flops"), overhead: 0 }, bytes: sum("bytes") };
  }

  #embedded(list: object, texts: readonly string[], signal?: AbortSignal): Promise<Answers<Float32Array>> {
    const known = this.#shared.get(list) ?? this.model.embed(texts, { signal });
    this.#shared.set(list, known);
    return known;
  }

  /** The caller disposes of the model. */
  [Symbol.dispose](): void {}
}

const textsOf = ({ documents }: RankingItem): string[] => documents.map(({ text }) => text);

/** Document ids, best first; ties keep their order. */
function ordered(documents: readonly Document[], scores: readonly number[]): string[] {
  return [...documents.keys()].sort((a, b) => scores[b]! - scores[a]!).map((i) => documents[i]!.id);
}
