/**
 * Losses on the scores of one list, in float64. `ranks` are the teacher's, from 1 for the best; items of equal rank are
 * not compared. Adding a constant to all scores leaves the losses unchanged, so each gradient sums to 0.
 */
export interface RankLoss {
  readonly loss: number;
  /** The derivative of the loss with respect to each item's score. */
  readonly gradient: Float64Array;
}

type Numbers = ArrayLike<number>;
type Weight = (better: number, worse: number) => number;

/** RankNet (Burges et al. 2005): the mean of log(1 + exp(s_j − s_i)) over pairs in which i is better than j. */
export const rankNet = (scores: Numbers, ranks: Numbers): RankLoss => pairwise(scores, ranks, () => 1);

/**
 * FIRST's RankNet (arXiv 2406.15657): a pair has the weight 1 / (r_i + r_j), and the sum is divided by the number of
 * pairs, not the sum of weights.
 */
export const weightedRankNet = (scores: Numbers, ranks: Numbers): RankLoss =>
  pairwise(scores, ranks, (better, worse) => 1 / (better + worse));

function pairwise(scores: Numbers, ranks: Numbers, weight: Weight): RankLoss {
  const gradient = new Float64Array(scores.length);
  let [sum, pairs] = [0, 0];
  for (let i = 0; i < scores.length; i++)
    for (let j = 0; j < scores.length; j++) {
      if (ranks[i]! >= ranks[j]!) continue;
      const [w, behind] = [weight(ranks[i]!, ranks[j]!), scores[j]! - scores[i]!];
      pairs++;
      sum += w * softplus(behind);
      gradient[i]! -= w * sigmoid(behind);
      gradient[j]! += w * sigmoid(behind);
    }
  if (pairs === 0) return { loss: 0, gradient };
  return { loss: sum / pairs, gradient: gradient.map((g) => g / pairs) };
}

/** log(1 + e^x), without overflow for a large x. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * ListNet (Cao et al. 2007): the cross-entropy between the top-one probabilities of the teacher and of the scores. The
 * teacher's probabilities are the softmax of negative ranks, since an order has no scores.
 */
export function listNet(scores: Numbers, ranks: Numbers): RankLoss {
  const [target, own] = [logSoftmax(Array.from(ranks, (rank) => -rank)), logSoftmax(Array.from(scores))];
  const loss = target.reduce((sum, log, i) => sum - Math.exp(log) * own[i]!, 0);
  return { loss, gradient: Float64Array.from(own, (log, i) => Math.exp(log) - Math.exp(target[i]!)) };
}

function logSoftmax(values: readonly number[]): number[] {
  const most = Math.max(...values);
  const total = most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return values.map((value) => value - total);
}

export const rankLosses = { "weighted-ranknet": weightedRankNet, ranknet: rankNet, listnet: listNet } as const;
export type RankLossName = keyof typeof rankLosses;

/** The ranking loss's default weight relative to the language model's loss, as in the authors' code. */
export const LAMBDAS: Readonly<Record<RankLossName, number>> = { "weighted-ranknet": 10, ranknet: 1, listnet: 0.1 };
