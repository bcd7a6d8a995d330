import type { Prompt } from "../../engine/decode/language-model.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import type { CallTerms, ModelPiece } from "../model.ts";
import type { RouteModel } from "./bill.ts";

/** A fake model's answer to a prompt: tokens, and the logits before each. */
export interface Script {
  readonly words: readonly string[];
  readonly logits?: readonly (readonly number[])[];
}

export interface FakeOptions {
  readonly maxTokens?: number;
}

/** A model that answers by a script, and counts its calls. */
export class Fake implements RouteModel<FakeOptions> {
  readonly identity;
  calls = 0;
  /** The number of decode steps after the first token. */
  steps = 0;
  readonly prompts: Prompt[] = [];
  /** The failure, and the piece before which it occurs. */
  fails: { readonly at: number; readonly how: Error | "hangs" } | undefined;

  constructor(
    name: string,
    private readonly script: (prompt: Prompt) => Script,
    /** FLOPs of a prompt and of a decode step. */
    readonly cost = { prompt: 100, step: 10 },
  ) {
    this.identity = { name, sha256: undefined, recipe: [], quant: "auto" };
  }

  async *generate(prompt: Prompt, options: FakeOptions & CallTerms): AsyncGenerator<ModelPiece> {
    this.calls++;
    this.prompts.push(prompt);
    const { words, logits = [] } = this.script(prompt);
    let flops = 0;
    let count = 0;
    let ended = false;
    try {
      for (const [i, text] of words.entries()) {
        options.signal?.throwIfAborted();
        if (this.fails?.at === i) await this.#fail(options.signal);
        if (i > 0) this.steps++;
        flops += i === 0 ? this.cost.prompt : this.cost.step;
        options.observe?.(Float32Array.from(logits[i] ?? [0, 0]));
        count = i + 1;
        ended = count === words.length;
        const token = { text, tokens: [{ id: i }] };
        yield ended ? { ...token, finishReason: "stop", receipt: this.#receipt(flops, count) } : token;
        options.signal?.throwIfAborted();
      }
    } finally {
      if (!ended && flops > 0) options.onStopped?.(this.#receipt(flops, count));
    }
  }

  #fail(signal: AbortSignal | undefined): Promise<void> {
    if (this.fails!.how !== "hangs") throw this.fails!.how;
    return new Promise((_, fail) => signal?.addEventListener("abort", () => fail(signal.reason)));
  }

  price(_: Prompt, answer: { tokens: number }) {
    const flops = this.cost.prompt + this.cost.step * Math.max(0, answer.tokens - 1);
    return { flops, bytes: flops, prompt: 5 };
  }

  #receipt(flops: number, completion: number): Receipt {
    return makeReceipt({
      model: this.identity.name,
      recipe: [],
      tokens: { prompt: 5, cached: 0, completion },
      flops: { dense: flops, spent: flops, overhead: 0 },
      bytes: { dense: flops, spent: flops },
      ms: { queue: 0, load: 0, encode: 0, prefill: 1, decode: 1 },
      estimated: false,
    });
  }
}
