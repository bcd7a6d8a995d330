import type { Spent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import type { WallTime } from "../../ledger/wall-time.ts";
import type { ShownPlan } from "./plan.ts";

/** The cost of a planned answer. */
export interface Planned {
  /** Names of the pipeline and of its two models. */
  readonly named: { readonly name: string; readonly planner: string; readonly executor: string };
  /** The executor's own receipt. */
  readonly own: Receipt;
  readonly plan: ShownPlan;
  /** The cost of planning, with the projector. */
  readonly spent: Spent;
  /** The dense cost of the executor alone, without a plan, with an answer of this length. */
  readonly alone: Spent;
  /** Runs since the request's arrival. */
  readonly time: WallTime;
}

/** The receipt of a planned answer: dense is the executor alone; planning, and what reading the plan adds, is overhead. */
export function plannedReceipt({ named, own, plan, spent, alone, time }: Planned): Receipt {
  const { completion } = own.tokens;
  const total = own.flops.spent + spent.flops;
  const answering = Math.min(alone.flops, own.flops.spent - own.flops.overhead);
  return makeReceipt({
    ...{ model: named.name, recipe: [`plan:channel=${plan.channel}`], tokens: own.tokens },
    flops: { dense: alone.flops, spent: total, overhead: total - answering },
    bytes: { dense: alone.bytes, spent: own.bytes.spent + spent.bytes },
    work: {
      tokens: { dense: completion, run: completion + plan.tokens },
      passes: { dense: completion, run: completion + plan.passes },
      calls: {
        [named.planner]: { dense: 0, run: Number(plan.channel !== "none") },
        [named.executor]: { dense: 1, run: 1 },
      },
    },
    ms: time.times([own]),
    estimated: own.estimated,
    ...(own.cut && { cut: own.cut }),
  });
}
