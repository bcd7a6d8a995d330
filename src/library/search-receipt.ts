import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { together } from "../ledger/together.ts";

const ZERO = { dense: 0, spent: 0, overhead: 0 };

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
  const embedding = parts.length > 0 ? together(parts) : undefined;
  const { dense, spent, overhead } = embedding?.flops ?? ZERO;
  const { load, prefill, decode } = embedding?.ms ?? { load: 0, prefill: 0, decode: 0 };
  return makeReceipt({
    model: embedding?.model ?? BY_TERMS,
    recipe: [],
    tokens: embedding?.tokens ?? { prompt: 0, cached: 0, completion: 0 },
    flops: { dense: dense + flops, spent: spent + flops, overhead },
    bytes: embedding?.bytes ?? { dense: 0, spent: 0 },
    work: { ...embedding?.work, ...(retrievals > 0 && { retrievals: { dense: retrievals, run: retrievals } }) },
    ms: { load, prefill, decode, total: performance.now() - started },
    estimated: embedding?.estimated ?? false,
  });
}
