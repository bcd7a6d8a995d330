import type { Receipt } from "../ledger/receipt.ts";
import { openEmbedder } from "../pipelines/classify/embedder.ts";
import type { EmbeddingIdentity } from "../retrieval/settings.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import { Biller } from "./biller.ts";
import type { ReadOptions } from "./options.ts";

/** A model that turns texts into the vectors of an index. */
export interface EmbeddingModel extends Disposable {
  readonly identity: EmbeddingIdentity;
  embed(texts: readonly string[], terms: ReadOptions): Promise<{ embeddings: Float32Array[]; receipt: Receipt }>;
}

/** Opens a MODEL of embeddings, its first layers (`minilm@layers=2`) or `glove`. @throws UserError */
export async function openEmbeddingModel(name: string, options: ResolveOptions): Promise<EmbeddingModel> {
  const started = performance.now();
  const embedder = await openEmbedder(name, options);
  const biller = new Biller(name, performance.now() - started);
  return {
    identity: { ...embedder.identity, width: embedder.width },
    async embed(texts, { onStopped, ...terms }) {
      const answers = await embedder.embed(texts, { ...terms, onStopped: biller.told(onStopped, { recipe: [] }) });
      const { answers: embeddings, receipt } = biller.billed(answers);
      return { embeddings, receipt };
    },
    [Symbol.dispose]: () => embedder[Symbol.dispose](),
  };
}
