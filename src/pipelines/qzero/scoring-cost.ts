import { type Cost, evalCost, Graph, graphCost, linear, type Spent, sym } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";

/** The cost of the inner products of `rows` vectors with all label words' vectors. */
export class ScoringCost {
  readonly #cost: Cost;

  constructor(
    width: number,
    private readonly entries: number,
  ) {
    this.#cost = graphCost(tracedScores(width));
  }

  of(rows: number): Spent {
    return rows === 0 ? { flops: 0, bytes: 0 } : evalCost(this.#cost, { rows, entries: this.entries });
  }
}

function tracedScores(width: number): Graph {
  const g = new Graph();
  const words = g.input("words", "f32", [width, sym("entries")]);
  g.output("scores", linear(g.input("x", "f32", [sym("rows"), width]), words));
  return g;
}

/** Adds to a receipt the cost of work that dense also does. */
export const withCost = (receipt: Receipt, { flops, bytes }: Spent): Receipt =>
  makeReceipt({
    ...receipt,
    flops: { ...receipt.flops, dense: receipt.flops.dense + flops, spent: receipt.flops.spent + flops },
    bytes: { dense: receipt.bytes.dense + bytes, spent: receipt.bytes.spent + bytes },
  });
