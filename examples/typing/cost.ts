import type { Shown } from "../vscode/client.cjs";
import type { Requests } from "./requests.ts";

type Receipt = Shown["receipt"];

/** A key, and what was shown after it, if anything appeared before the next key. */
export interface Keystroke {
  readonly insert: string;
  shown?: Shown;
}

/** Sums over a trace. `receipts` belong to all requests that the server began, including cancelled ones. */
export function totals(keys: readonly Keystroke[], requests: Requests, receipts: readonly Receipt[]) {
  const visible = keys.flatMap(({ shown }) => (shown && shown.text !== "" ? [shown.receipt.id] : []));
  const suggestions = new Set(visible);
  const sum = (of: (receipt: Receipt) => number, among = receipts) => among.reduce((all, one) => all + of(one), 0);
  const [spent, dense] = [sum((receipt) => receipt.flops.spent), sum((receipt) => receipt.flops.dense)];
  const cancelled = requests.sent - requests.whole.length;
  return {
    keys: keys.length,
    requests: requests.sent,
    cancelled,
    cancelled_share: requests.sent === 0 ? 0 : cancelled / requests.sent,
    suggestions: suggestions.size,
    keys_with_suggestion: visible.length,
    tokens: {
      prompt: sum((receipt) => receipt.tokens.prompt),
      cached: sum((receipt) => receipt.tokens.cached),
      completion: sum((receipt) => receipt.tokens.completion),
    },
    flops: {
      ...{ spent, dense, saved: dense === 0 ? 0 : 1 - spent / dense },
      shown: sum(
        (receipt) => receipt.flops.spent,
        receipts.filter(({ id }) => suggestions.has(id)),
      ),
    },
    median_ms: median(requests.whole),
  };
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
