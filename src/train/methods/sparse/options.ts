import { z } from "zod";
import { choice, fraction, integer, optionalInteger } from "../../../savings/option-schemas.ts";

const BLOCK = /^([1-9]\d*)x([1-9]\d*)$/;

export const sparseOptions = z
  .strictObject({
    sparsity: fraction(0.6).describe("final share of zeros among the prunable weights; 0 is dense"),
    dense: fraction(0.25).describe("share of the compute before the first pruning"),
    prune: fraction(0.5).describe("share of the compute during which weights are pruned; 0 prunes once"),
    recover: fraction(0.25).describe("share of the compute after the last pruning; the three shares sum to 1"),
    start: optionalInteger(0).describe("step of the first pruning, instead of the shares"),
    end: optionalInteger(0).describe("step of the last pruning, instead of the shares"),
    every: optionalInteger(1).describe(
      "steps between prunings (default: 100, or a tenth of the pruning phase, if less)",
    ),
    scope: choice(["global", "layer"])
      .default("global")
      .describe("rank weights over the whole model, or within each matrix"),
    score: choice(["magnitude", "random"]).default("magnitude").describe("prune the smallest weights, or random ones"),
    seed: integer(0, 0).describe("seed of score=random"),
    structure: choice(["none", "neuron"])
      .default("none")
      .describe(
        "what to prune: blocks of weights, or neurons of gated MLPs (the same number in each layer; removed at the end)",
      ),
    block: z
      .string()
      .regex(BLOCK, "expected rows and columns, such as 4x1")
      .default("1x1")
      .describe("rows x columns of the blocks to prune together"),
    exclude: z.string().optional().describe("matrices to keep dense: names joined by +; * matches any part of a name"),
  })
  .superRefine(({ sparsity, dense, prune, recover, start, end, structure, block, exclude }, context) => {
    const fault = (message: string) => context.addIssue({ code: "custom", message });
    if (sparsity === 1) fault("sparsity: expected at least 0 and less than 1, got 1");
    if (Math.abs(dense + prune + recover - 1) > 1e-6)
      fault(`dense, prune and recover: expected shares that sum to 1, got ${dense} + ${prune} + ${recover}`);
    if ((start === undefined) !== (end === undefined)) fault("start and end: expected both, or neither");
    if (start !== undefined && end !== undefined && end < start)
      fault(`end: expected at least ${start}, the start, got ${end}`);
    if (structure === "neuron" && (block !== "1x1" || exclude !== undefined))
      fault("structure=neuron prunes whole neurons in every layer; omit the options block and exclude");
  });
export type SparseOptions = z.output<typeof sparseOptions>;

/** The sides of a block. */
export interface Block {
  readonly rows: number;
  readonly columns: number;
}

export function blockOf({ block }: Pick<SparseOptions, "block">): Block {
  const [, rows, columns] = BLOCK.exec(block)!;
  return { rows: Number(rows), columns: Number(columns) };
}
