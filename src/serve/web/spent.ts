import type { Receipt } from "../../ledger/receipt.ts";

/** FLOPs of one recipe of a model in one time span. */
export interface Spent {
  /** The span's beginning, in milliseconds since 1970. */
  readonly from: number;
  readonly recipe: string;
  readonly receipts: number;
  readonly dense: number;
  readonly spent: number;
}

const HOUR = 3_600_000;

/** The span of a bar: an hour if all receipts lie within two days, else a day. */
export function spanOf(receipts: readonly Receipt[]): number {
  const times = receipts.map(({ created }) => Date.parse(created));
  return Math.max(...times) - Math.min(...times) <= 48 * HOUR ? HOUR : 24 * HOUR;
}

const recipeOf = ({ model, recipe }: Receipt): string => `${model} ${recipe.length === 0 ? "dense" : recipe.join(" ")}`;

/** Sums by recipe and span, in order of time. */
export function spentBy(receipts: readonly Receipt[], span: number): Spent[] {
  const sums = new Map<string, Spent>();
  for (const receipt of receipts) {
    const [from, recipe] = [Math.floor(Date.parse(receipt.created) / span) * span, recipeOf(receipt)];
    const { receipts: n, dense, spent } = sums.get(`${from} ${recipe}`) ?? { receipts: 0, dense: 0, spent: 0 };
    const { flops } = receipt;
    sums.set(`${from} ${recipe}`, {
      ...{ from, recipe, receipts: n + 1 },
      ...{ dense: dense + flops.dense, spent: spent + flops.spent },
    });
  }
  return [...sums.values()].sort((a, b) => a.from - b.from);
}
