import type { Choice, Cost } from "../savings/auto/guarantee.ts";
import type { Receipt } from "./receipt.ts";

/** A receipt's fields about a certificate and a budget. Time in a queue is not the recipe's. */
export const certified = (
  { guarantee, reason, budget }: Choice,
  spent: Cost,
): Pick<Receipt, "guarantee" | "unguaranteed" | "budget"> => ({
  guarantee,
  ...(reason && { unguaranteed: reason }),
  ...(budget && {
    budget: {
      ...budget,
      spent,
      met: spent.ms <= (budget.asked.ms ?? spent.ms) && spent.flops <= (budget.asked.flops ?? spent.flops),
    },
  }),
});
