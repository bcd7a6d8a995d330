import { addSpent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { amountsOf } from "../../ledger/together.ts";
import { WallTime } from "../../ledger/wall-time.ts";

/** A finished window's receipt, and the decoding cost that it saved. */
interface WindowCost {
  readonly receipt: Receipt;
  /** The number of letters whose logits were compared; 0 if the model wrote the ranking. */
  readonly letters: number;
  /** The skipped decode steps: the whole ranking's steps, minus the steps that ran. */
  readonly spared: { readonly tokens: number; readonly flops: number; readonly bytes: number };
}

/** The cost of presorting the list. */
interface PresortCost {
  readonly texts: number;
  readonly flops: number;
  /** The encoder's receipt, if an encoder presorted. */
  readonly receipt?: Receipt;
}

/**
 * Combines the receipts of a reranking's calls. The dense baseline writes the whole ranking of every window that ran; a
 * presort is overhead.
 */
export class FirstBill {
  readonly #time: WallTime;
  readonly #windows: Receipt[] = [];
  readonly #stopped: Receipt[] = [];
  #presort: PresortCost = { texts: 0, flops: 0 };
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

  presort(cost: PresortCost): void {
    this.#presort = cost;
  }

  /** Adds a stopped call's receipt. */
  stopped(receipt: Receipt): void {
    this.#stopped.push(receipt);
  }

  get spent(): number {
    return amountsOf(this.#ranking).flops.spent + this.#presort.flops;
  }

  get #ranking(): Receipt[] {
    return [...this.#windows, ...this.#stopped];
  }

  receipt(): Receipt {
    const { texts, flops, receipt: encoder } = this.#presort;
    const calls = [...this.#ranking, ...(encoder ? [encoder] : [])];
    const [ranking, all] = [amountsOf(this.#ranking), amountsOf(calls)];
    const { completion: decoded } = amountsOf(this.#windows).tokens;
    const windows = this.#windows.length;
    // The overhead includes one comparison per letter.
    const overhead = this.#letters + flops;
    return makeReceipt({
      ...all,
      model: this.named.model,
      recipe: [...this.named.recipe],
      flops: {
        dense: ranking.flops.dense + this.#spared.flops,
        spent: ranking.flops.spent + overhead,
        overhead: ranking.flops.overhead + overhead,
      },
      bytes: { dense: ranking.bytes.dense + this.#spared.bytes, spent: all.bytes.spent },
      work: {
        ...all.work,
        windows: { dense: windows, run: windows },
        decoded: { dense: decoded + this.#sparedTokens, run: decoded },
        ...(texts > 0 && { presorted: { dense: 0, run: texts } }),
        calls: callsOf(this.#ranking, calls),
      },
      ms: this.#time.times(calls),
      estimated: this.#sparedTokens > 0 || all.estimated,
    });
  }
}

/** The number of calls of each model. */
function callsOf(dense: readonly Receipt[], run: readonly Receipt[]): Record<string, { dense: number; run: number }> {
  const models = [...new Set(run.map(({ model }) => model))];
  const countIn = (calls: readonly Receipt[], name: string) => calls.filter(({ model }) => model === name).length;
  return Object.fromEntries(models.map((name) => [name, { dense: countIn(dense, name), run: countIn(run, name) }]));
}
