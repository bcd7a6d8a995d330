import type { LossType } from "./losses.ts";

/** The number of losses that set the next bet. If all losses counted, bets would react slowly after a long good run. */
const WINDOW = 50;

/** A gambler's wealth and what the next bet needs; plain data that survives a restart as JSON. */
export interface Wealth {
  readonly wealth: number;
  /** The last losses, oldest first. */
  readonly last: readonly number[];
  readonly count: number;
}

export const noWealth: Wealth = { wealth: 1, last: [], count: 0 };

/**
 * The wealth after one more loss of a gambler who bets that the expected loss is above `risk` (arXiv 2010.09686; as a
 * monitor, arXiv 2506.16416). If the expected loss is not above the risk, the probability that the wealth ever reaches
 * 1/δ is at most δ, however often it is checked.
 */
export function bet({ wealth, last, count }: Wealth, loss: number, type: LossType, risk: number): Wealth {
  const stake = stakeOf(last, type, risk);
  return {
    wealth: wealth * (1 + stake * (loss - risk)),
    last: [...last, loss].slice(-WINDOW),
    count: count + 1,
  };
}

/** The share of the wealth that is bet, from earlier losses only. */
function stakeOf(last: readonly number[], type: LossType, risk: number): number {
  // Until the window is full, one imaginary loss of ½ with variance ¼ is added.
  const [n, sum, spread] = last.length < WINDOW ? [last.length + 1, 0.5, 0.25] : [last.length, 0, 0];
  const mean = (sum + last.reduce((total, loss) => total + loss, 0)) / n;
  const variance = (spread + last.reduce((total, loss) => total + (loss - mean) ** 2, 0)) / n;
  const most = type === "signed" ? 0.5 / (1 + risk) : 0.5 / risk;
  const edge = mean - risk;
  return Math.min(most, Math.max(0, edge / (variance + edge ** 2)));
}
