import { areUsable, type Bound, type Losses } from "./losses.ts";

/**
 * The p-value of "the expected loss is above the risk" for losses of any type: one over the greatest wealth of a
 * gambler who bets, item by item, that losses are below the risk (Waudby-Smith and Ramdas, arXiv 2010.09686). The
 * p-value depends on the order of the losses.
 */
export function bettingPValue(losses: Losses, { risk, confidence }: Bound): number {
  if (!areUsable(losses, risk) || !(confidence > 0 && confidence < 1)) return 1;
  const stake = (2 * Math.log(1 / (1 - confidence))) / losses.values.length;
  // Each bet uses only earlier losses, plus one imaginary loss of ½ with variance ¼.
  let [count, sum, squares] = [1, 1 / 2, 1 / 4];
  let [wealth, greatest] = [1, 1];
  for (const loss of losses.values) {
    const bet = Math.min(1, Math.sqrt(stake / (squares / count)));
    wealth *= 1 - bet * (loss - risk);
    greatest = Math.max(greatest, wealth);
    count++;
    sum += loss;
    squares += (loss - sum / count) ** 2;
  }
  return 1 / greatest;
}
