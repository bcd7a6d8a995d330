/**
 * The probability that a positive label scores above a negative one; ties count half. It is 0.5 if only one of the
 * labels occurs.
 */
export function auc(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let [below, wins, positives] = [0, 0, 0];
  for (let at = 0; at < order.length; ) {
    let [negative, positive] = [0, 0];
    const score = scores[order[at]!]!;
    for (; at < order.length && scores[order[at]!]! === score; at++) {
      if (labels[order[at]!] === 1) positive++;
      else negative++;
    }
    wins += positive * (below + negative / 2);
    below += negative;
    positives += positive;
  }
  return below === 0 || positives === 0 ? 0.5 : wins / (below * positives);
}

export const positiveRate = (labels: ArrayLike<number>): number =>
  Array.from(labels).reduce((sum, label) => sum + label, 0) / labels.length;

const BINS = 15;

/** Expected calibration error in 15 bins of equal width (Guo et al. 2017). */
export function calibrationError(probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  const bins = Array.from({ length: BINS }, () => ({ p: 0, label: 0 }));
  for (let i = 0; i < probabilities.length; i++) {
    const bin = bins[Math.min(BINS - 1, Math.floor(BINS * probabilities[i]!))]!;
    bin.p += probabilities[i]!;
    bin.label += labels[i]!;
  }
  return bins.reduce((sum, { p, label }) => sum + Math.abs(p - label), 0) / probabilities.length;
}

/** The range of temperatures to search, as logarithms. */
const [COLDEST, HOTTEST] = [Math.log(0.05), Math.log(20)];
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * Finds the temperature with the lowest loss by golden-section search, since the loss has a single minimum as a
 * function of the temperature's logarithm.
 */
export function bestTemperature(loss: (temperature: number) => number): number {
  let [low, high] = [COLDEST, HOTTEST];
  while (high - low > 1e-3) {
    const [a, b] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    if (loss(Math.exp(a)) < loss(Math.exp(b))) high = b;
    else low = a;
  }
  return Math.exp((low + high) / 2);
}
