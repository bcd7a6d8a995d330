import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Spent } from "../../graph/index.ts";
import { certified, makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { WallTime } from "../../ledger/wall-time.ts";
import type { Choice, Cost } from "../../savings/auto/guarantee.ts";
import type { CalledModel, ModelIdentity, PricedAnswer } from "../model.ts";

type Role = "swift" | "super";

export interface RouteModel<O extends object> extends CalledModel<O> {
  readonly identity: ModelIdentity;
}

/** The two models of a route. */
export interface Pair<O extends object> {
  /** The model that answers first, and exposes its logits. */
  readonly swift: RouteModel<O>;
  /** The model for hard inputs. */
  readonly super: RouteModel<O>;
}

/** A route's model and recipe in receipts, and its certificate's choice. */
export interface NamedRoute {
  readonly model: string;
  readonly recipe: readonly string[];
  readonly choice?: Choice | undefined;
}

/** Collects the receipts of a routed request's calls into one receipt. */
export class RouteBill<O extends object> {
  readonly #parts: { readonly role: Role; readonly receipt: Receipt }[] = [];
  readonly #calls = { swift: 0, super: 0 };
  readonly #time: WallTime;
  /** The share of the prompt that Super's cache already held. */
  readonly #held: number;
  /** FLOPs of scoring. */
  scoring = 0;
  /** True if Super was chosen and failed; no certificate covers Swift's answer. */
  degraded = false;

  constructor(
    private readonly pair: Pair<O>,
    private readonly prompt: Prompt,
    private readonly options: O,
    private readonly named: NamedRoute,
    arrived: number | undefined,
  ) {
    this.#time = new WallTime(arrived);
    this.#held = pair.super.held?.(prompt, options) ?? 0;
  }

  /** Counts a call; returns a function that takes its receipt. */
  begin(role: Role): (receipt: Receipt) => void {
    this.#calls[role]++;
    return (receipt) => void this.#parts.push({ role, receipt });
  }

  get begun(): boolean {
    return this.#parts.length > 0;
  }

  /**
   * The receipt of an answer by `role`. Dense is Super alone: as it ran, or priced for this prompt and an answer of
   * this length. Earlier turns that either model has cached count as cached for Super alone.
   */
  async receipt(role: Role, answer: PricedAnswer): Promise<Receipt> {
    const own = this.#parts.findLast((part) => part.role === role)?.receipt;
    const all = this.#parts.map(({ receipt }) => receipt);
    const ran = role === "super" ? own : undefined;
    const dense = await this.#dense(ran, answer);
    const spent = sum(all, (r) => r.flops.spent) + this.scoring;
    const answering = own ? Math.min(dense.flops, own.flops.spent - own.flops.overhead) : 0;
    const ms = this.#time.answering(own, all);
    return makeReceipt({
      model: this.named.model,
      recipe: [...this.named.recipe],
      tokens: own?.tokens ?? { prompt: 0, cached: 0, completion: answer.tokens },
      flops: { dense: dense.flops, spent, overhead: Math.max(0, spent - answering) },
      bytes: { dense: dense.bytes, spent: sum(all, (r) => r.bytes.spent) },
      work: { ...own?.work, calls: this.#work() },
      ms,
      estimated: ran === undefined || all.some((r) => r.estimated),
      ...(own?.server !== undefined && { server: own.server }),
      ...(own?.cut && { cut: own.cut }),
      ...this.#certified({ ms: ms.encode + ms.prefill + ms.decode, flops: spent }),
    });
  }

  #certified(spent: Cost) {
    const { choice } = this.named;
    if (!choice) return {};
    return certified(this.degraded ? { ...choice, guarantee: null, reason: "degraded" } : choice, spent);
  }

  async #dense(ran: Receipt | undefined, answer: PricedAnswer): Promise<Spent> {
    const price = async (cached: number) =>
      (await this.pair.super.price(this.prompt, answer, this.options, cached)) ?? { flops: 0, bytes: 0 };
    // Super running alone is the dense baseline.
    if (ran && this.#calls.swift === 0) return { flops: ran.flops.dense, bytes: ran.bytes.dense };
    // A model that is called again finds the prompt of its first call in the cache.
    const cached = Math.max(this.#held, cachedShare(this.#parts[0]?.receipt));
    if (!ran) return price(cached);
    const own = cachedShare(ran);
    if (cached <= own) return { flops: ran.flops.dense, bytes: ran.bytes.dense };
    const [cold, warm] = [await price(own), await price(cached)];
    return { flops: ran.flops.dense - cold.flops + warm.flops, bytes: ran.bytes.dense - cold.bytes + warm.bytes };
  }

  #work() {
    const { swift, super: strong } = this.pair;
    return {
      [swift.identity.name]: { dense: 0, run: this.#calls.swift },
      [strong.identity.name]: { dense: 1, run: this.#calls.super },
    };
  }
}

const cachedShare = (receipt: Receipt | undefined): number =>
  receipt && receipt.tokens.prompt > 0 ? receipt.tokens.cached / receipt.tokens.prompt : 0;

const sum = (receipts: readonly Receipt[], of: (receipt: Receipt) => number): number =>
  receipts.reduce((total, receipt) => total + of(receipt), 0);
