import { addSpent, type Cost, evalCost, type Spent } from "../../graph/index.ts";
import { type Schedule, transferCounts } from "./options.ts";

/** The cost of a whole schedule without a cache, and its forward passes; guidance runs each step twice. */
export function denseCost(
  cost: Cost,
  prompt: number,
  { length, block, blocks, stepsPerBlock }: Schedule,
  guided: boolean,
): Spent & { readonly passes: number } {
  const each = guided ? 2 : 1;
  const sum: Spent = { flops: 0, bytes: 0 };
  const counts = transferCounts(block, stepsPerBlock).filter((count) => count > 0);
  let rows = block;
  for (const count of counts) {
    const { flops, bytes } = evalCost(cost, { batch: 1, tokens: prompt + length, rows });
    addSpent(sum, { flops: each * blocks * flops, bytes: each * blocks * bytes });
    rows -= count;
  }
  return { ...sum, passes: each * blocks * counts.length };
}
