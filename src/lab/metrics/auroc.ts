/**
 * Area under the ROC curve: the chance that a positive's score is above a negative's, equal scores counting half
 * (Mann-Whitney U by ranks). NaN where one class is missing.
 */
export function auroc(scores: readonly number[], positive: readonly boolean[]): number {
  const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);
  let [positives, rankSum] = [0, 0];
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    const among = order.slice(from, to).filter((i) => positive[i]).length;
    // Equal scores share the mean of their ranks from + 1 … to.
    rankSum += (among * (from + 1 + to)) / 2;
    positives += among;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (scores.length - positives));
}
