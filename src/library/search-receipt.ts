import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { amountsOf } from "../ledger/together.ts";

/** The model in a receipt of work by terms alone. */
const BY_TERMS = "bm25";

interface Work {
  /** Receipts of embedding. */
  readonly parts: readonly Receipt[];
  /** FLOPs of scoring. */
  readonly flops: number;
  readonly retrievals: number;
  /** `performance.now()` when it began. */
  readonly started: number;
}

/** The receipt of a search or an addition: its embeddings, and the scoring of what was found. */
export function searchReceipt({ parts, flops, retrievals, started }: Work): Receipt {
  const embedding = amountsOf(parts);
  const { dense, spent, overhead } = embedding.flops;
  return makeReceipt({
    ...embedding,
    model: parts[0]?.model ?? BY_TERMS,
    recipe: [],
    flops: { dense: dense + flops, spent: spent + flops, overhead },
    work: { ...embedding.work, ...(retrievals > 0 && { retrievals: { dense: retrievals, run: retrievals } }) },
    ms: { ...embedding.ms, total: performance.now() - started },
  });
}
