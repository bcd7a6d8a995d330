import { z } from "zod";

export const budgetOptions = z.strictObject({
  budgetFlops: z.number().positive().optional().describe("maximum FLOPs per search"),
  budgetMinutes: z.number().positive().optional().describe("maximum minutes of answering per search"),
});

/** A search's limits; absent means unlimited. */
export type BudgetOptions = z.output<typeof budgetOptions>;

export interface Spending {
  readonly flops: number;
  readonly minutes: number;
}

/**
 * A search's budget: what it has spent, and whether another probe fits. A resumed search counts the original probes'
 * costs, so it takes the same path.
 */
export class Budget {
  readonly #most: Spending;
  #spent = { probes: 0, flops: 0, minutes: 0 };
  /** The cost of the most expensive probe. */
  #dearest: Spending = { flops: 0, minutes: 0 };
  #ended = false;

  constructor({ budgetFlops = Number.POSITIVE_INFINITY, budgetMinutes = Number.POSITIVE_INFINITY }: BudgetOptions) {
    this.#most = { flops: budgetFlops, minutes: budgetMinutes };
  }

  add(probe: Spending): void {
    this.#spent = { probes: this.#spent.probes + 1, ...each((key) => this.#spent[key] + probe[key]) };
    this.#dearest = each((key) => Math.max(this.#dearest[key], probe[key]));
  }

  /** True if there is any limit. */
  get limited(): boolean {
    return Number.isFinite(Math.min(this.#most.flops, this.#most.minutes));
  }

  /** True if `more` still fits within the budget. */
  affords(more: Spending): boolean {
    const after = each((key) => this.#spent[key] + more[key]);
    return after.flops <= this.#most.flops && after.minutes <= this.#most.minutes;
  }

  /** Called when even the cheapest probe would exceed the budget. */
  end(): void {
    this.#ended = true;
  }

  /** True if another probe as expensive as the worst so far still fits. */
  get allows(): boolean {
    return !this.#ended && this.affords(this.#dearest);
  }

  get spent(): Spending & { readonly probes: number } {
    return this.#spent;
  }
}

const each = (of: (key: keyof Spending) => number): Spending => ({ flops: of("flops"), minutes: of("minutes") });
