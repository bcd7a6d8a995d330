import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { amountsOf } from "../ledger/together.ts";
import type { WallTime } from "../ledger/wall-time.ts";

/** The model in a receipt of work by terms alone. */
const BY_TERMS = "bm25";

interface Work {
  /** Receipts of embedding. */
  readonly parts: readonly Receipt[];
  /** FLOPs of scoring. */
  readonly flops: number;
  readonly retrievals: number;
  /** Runs since its arrival. */
  readonly time: WallTime;
}

/** The receipt of a search or an addition: its embeddings, and the scoring of what was found. */
export function searchReceipt({ parts, flops, retrievals, time }: Work): Receipt {
  const embedding = amountsOf(parts);
  const { dense, spent, overhead } = embedding.flops;
  return makeReceipt({
    ...embedding,
    model: parts[0]?.model ?? BY_TERMS,
    recipe: [],
    flops: { dense: dense + flops, spent: spent + flops, overhead },
    work: { ...embedding.work, ...(retrievals > 0 && { retrievals: { dense: retrievals, run: retrievals } }) },
    ms: time.times(parts),
  });
}
