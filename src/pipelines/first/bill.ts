import { addSpent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";

/** A finished window's cost, and that of writing its whole ranking. */
interface WindowCost {
  readonly receipt: Receipt;
  /** Letters whose logits were compared; 0 if the model wrote the ranking. */
  readonly letters: number;
  /** Decode steps of the whole ranking beyond those that ran. */
  readonly spared: { readonly tokens: number; readonly flops: number; readonly bytes: number };
}

/** Makes one receipt of a reranking's calls. Dense writes the whole ranking of every window that ran. */
export class FirstBill {
  readonly #started = performance.now();
  readonly #windows: Receipt[] = [];
  readonly #others: Receipt[] = [];
  readonly #spared = { flops: 0, bytes: 0 };
  #sparedTokens = 0;
  #letters = 0;

  constructor(private readonly named: { readonly model: string; readonly recipe: readonly string[] }) {}

  window({ receipt, letters, spared }: WindowCost): void {
    this.#windows.push(receipt);
    this.#letters += letters;
    this.#sparedTokens += spared.tokens;
    addSpent(this.#spared, spared);
  }

  /** A presort, or a window that was stopped. */
  other(receipt: Receipt): void {
    this.#others.push(receipt);
  }

  get spent(): number {
    return sum([...this.#windows, ...this.#others], (r) => r.flops.spent);
  }

  receipt(): Receipt {
    const all = [...this.#windows, ...this.#others];
    const decoded = sum(this.#windows, (r) => r.tokens.completion);
    const windows = this.#windows.length;
    return makeReceipt({
      model: this.named.model,
      recipe: [...this.named.recipe],
      tokens: {
        prompt: sum(all, (r) => r.tokens.prompt),
        cached: sum(all, (r) => r.tokens.cached),
        completion: sum(all, (r) => r.tokens.completion),
      },
      flops: {
        dense: sum(all, (r) => r.flops.dense) + this.#spared.flops,
        // A comparison a letter.
        spent: this.spent + this.#letters,
        overhead: sum(all, (r) => r.flops.overhead) + this.#letters,
      },
      bytes: {
        dense: sum(all, (r) => r.bytes.dense) + this.#spared.bytes,
        spent: sum(all, (r) => r.bytes.spent),
      },
      work: {
        windows: { dense: windows, run: windows },
        decoded: { dense: decoded + this.#sparedTokens, run: decoded },
        calls: callsOf(all),
      },
      ms: {
        load: sum(all, (r) => r.ms.load),
        prefill: sum(all, (r) => r.ms.prefill),
        decode: sum(all, (r) => r.ms.decode),
        total: sum(all, (r) => r.ms.load) + performance.now() - this.#started,
      },
      estimated: this.#sparedTokens > 0 || all.some((r) => r.estimated),
    });
  }
}

function callsOf(receipts: readonly Receipt[]): Record<string, { dense: number; run: number }> {
  const models = [...new Set(receipts.map(({ model }) => model))];
  const counts = models.map((name) => [name, receipts.filter(({ model }) => model === name).length] as const);
  return Object.fromEntries(counts.map(([name, n]) => [name, { dense: n, run: n }]));
}

const sum = (receipts: readonly Receipt[], of: (receipt: Receipt) => number): number =>
  receipts.reduce((total, receipt) => total + of(receipt), 0);
