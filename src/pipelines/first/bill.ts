import { addSpent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { amountsOf } from "../../ledger/together.ts";
import { WallTime } from "../../ledger/wall-time.ts";

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
  readonly #time: WallTime;
  readonly #windows: Receipt[] = [];
  readonly #others: Receipt[] = [];
  readonly #spared = { flops: 0, bytes: 0 };
  #sparedTokens = 0;
  #letters = 0;

  constructor(
    private readonly named: { readonly model: string; readonly recipe: readonly string[] },
    arrived: number | undefined,
  ) {
    this.#time = new WallTime(arrived);
  }

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
    return amountsOf(this.#all).flops.spent;
  }

  get #all(): Receipt[] {
    return [...this.#windows, ...this.#others];
  }

  receipt(): Receipt {
    const all = amountsOf(this.#all);
    const { completion: decoded } = amountsOf(this.#windows).tokens;
    const windows = this.#windows.length;
    const { dense, spent, overhead } = all.flops;
    return makeReceipt({
      ...all,
      model: this.named.model,
      recipe: [...this.named.recipe],
      // A comparison a letter.
      flops: {
        dense: dense + this.#spared.flops,
        spent: spent + this.#letters,
        overhead: overhead + this.#letters,
      },
      bytes: { dense: all.bytes.dense + this.#spared.bytes, spent: all.bytes.spent },
      work: {
        ...all.work,
        windows: { dense: windows, run: windows },
        decoded: { dense: decoded + this.#sparedTokens, run: decoded },
        calls: callsOf(this.#all),
      },
      ms: this.#time.times(this.#all),
      estimated: this.#sparedTokens > 0 || all.estimated,
    });
  }
}

function callsOf(receipts: readonly Receipt[]): Record<string, { dense: number; run: number }> {
  const models = [...new Set(receipts.map(({ model }) => model))];
  const counts = models.map((name) => [name, receipts.filter(({ model }) => model === name).length] as const);
  return Object.fromEntries(counts.map(([name, n]) => [name, { dense: n, run: n }]));
}
