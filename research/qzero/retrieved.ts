import { createIndex, type DocumentInput, deleteIndex } from "../../src/index.ts";
import type { CategorisedDocument } from "../../src/pipelines/qzero/documents.ts";
import { termsOf } from "../../src/retrieval/analysis.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";

/** The documents that BM25 finds for a text. */
export interface Retrieved {
  /** The best first. */
  readonly documents: readonly CategorisedDocument[];
  /** The share of the text's terms that the best document has; 0 without one. */
  readonly covered: number;
  readonly ms: number;
  readonly flops: number;
}

/** A corpus with the documents found for each text, and with controls that retrieval must beat. */
export class Corpus {
  readonly #shuffled: ReadonlyMap<string, readonly string[]>;

  private constructor(
    readonly documents: readonly DocumentInput[],
    readonly found: readonly Retrieved[],
    private readonly seed: number,
  ) {
    const categories = shuffle(
      documents.map((document) => document.categories ?? []),
      seededRandom(seed),
    );
    this.#shuffled = new Map(documents.map(({ id }, i) => [String(id), categories[i]!]));
  }

  /** Indexes documents by words, and searches each text; the index is deleted afterwards. */
  static async search(documents: readonly DocumentInput[], texts: readonly string[], top: number, seed: number) {
    const name = `qzero-real-${process.pid}`;
    const termsOfDocument = new Map(documents.map((it) => [String(it.id), new Set(termsOf(`${it.title} ${it.text}`))]));
    try {
      await using index = await createIndex(name, { embedding: "none" });
      await index.add(documents);
      const found: Retrieved[] = [];
      for (const text of texts) {
        const { results, receipt } = await index.search(text, { by: "bm25", top });
        const best = results[0] && termsOfDocument.get(results[0].id);
        const own = new Set(termsOf(text));
        const shared = [...own].filter((term) => best?.has(term)).length;
        found.push({
          documents: results.map(({ id, title, score, categories }) => ({ id, title, score, categories })),
          covered: own.size === 0 ? 0 : shared / own.size,
          ms: receipt.ms.total,
          flops: receipt.flops.spent,
        });
      }
      return new Corpus(documents, found, seed);
    } finally {
      await deleteIndex(name);
    }
  }

  /** The documents that were found, each with the categories of another. */
  shuffled(place: number): CategorisedDocument[] {
    return this.found[place]!.documents.map((it) => ({ ...it, categories: this.#shuffled.get(it.id)! }));
  }

  /** Documents drawn without looking at the text, as many as were found. */
  random(place: number): CategorisedDocument[] {
    const random = seededRandom(this.seed + 1 + place);
    return this.found[place]!.documents.map(() => {
      const { id, title = "", categories = [] } = this.documents[Math.floor(random() * this.documents.length)]!;
      return { id: String(id), title, categories };
    });
  }
}
